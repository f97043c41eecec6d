"""Each library in a process of its own, which is started with the environment that sets its number of threads.

The processes sleep but for the one whose turn it is.
"""

import importlib
import importlib.util
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

LIBRARIES = {
    "with_numpy": "numpy",
    "with_pytorch": "torch",
    "with_jax": "jax",
    "with_sklearn": "sklearn",
    "with_onnx": "onnxruntime",
}


def environment(threads: int) -> dict[str, str]:
    """Return the variables that set the libraries' threads; XLA's pool has as many as `NPROC` says."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    flags = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def serve(pipe: Connection, module: str, threads: int) -> None:
    """Work off what the pipe asks for: a case's contenders, or a number of steps of one of them."""
    library = importlib.import_module(f"contenders.{module}")
    library.set_threads(threads)
    runs = {}
    pipe.send(library.VERSION)
    while True:
        match pipe.recv():
            case "end":
                return
            case "call", name, *arguments:
                pipe.send(getattr(library, name)(*arguments))
            case "build", case, options:
                runs.clear()
                runs = library.contenders(case, **options)
                pipe.send(list(runs))
            case "restart", name:
                pipe.send(runs[name].restart())
            case "run", name, steps, processor:
                clock = time.process_time if processor else time.perf_counter
                started = clock()
                runs[name].run(steps)
                pipe.send((clock() - started) / steps)


class Library:
    """A library's process and the pipe to it."""

    def __init__(self, module: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, module, threads), daemon=True)
        before = {name: os.environ.get(name) for name in environment(threads)}
        os.environ.update(environment(threads))
        self._process.start()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()
        self.version = self._pipe.recv()

    def ask(self, *request: object) -> Any:
        """Send a request; return the answer. Raises `EOFError` where the process broke down."""
        self._pipe.send(request)
        return self._pipe.recv()

    def end(self) -> None:
        """Let it go."""
        self._pipe.send("end")
        self._process.join()


@contextmanager
def started(threads: int) -> Iterator[dict[str, Library]]:
    """Start the processes of what is installed."""
    libraries = {}
    for module, package in LIBRARIES.items():
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: left out")
        else:
            libraries[module] = Library(module, threads)
    try:
        yield libraries
    finally:
        for library in libraries.values():
            library.end()
