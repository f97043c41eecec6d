"""Times training steps against PyTorch, JAX and scikit-learn: `python tests/benchmarks/peers.py`.

A step gathers a batch of bytes and makes floats of them, and does forward, loss, backward and update, on the same
network with the same optimizer, in float32; it reads the loss and counts the right predictions, as training does.
(scikit-learn is given floats, and counts nothing.) PyTorch comes eager, channels-last too where there are
convolutions, and compiled, always with its optimizers of a single kernel; JAX as one jitted function.

Each library works in a process of its own, which is started with the environment that sets its number of threads. The
processes sleep but for the one whose turn it is: in every round each contender does the same number of steps. A ratio
is the median over the rounds of the contender's time by this project's (loss=fused) in the same round: above 1, this
project is faster. "Of the peak" is the arithmetic of a step's matrix products by the step's time, as a share of what a
product of two 1024 × 1024 matrices reaches with as many threads, measured in turn with the rest. What isn't installed
is left out. Other work on the machine disturbs the times: look at the load that is printed. With one
thread, --processor-time counts processor time instead, which suffers less from it.
"""

import argparse
import importlib
import importlib.util
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

LIBRARIES = {"with_numpy": "numpy", "with_pytorch": "torch", "with_jax": "jax", "with_sklearn": "sklearn"}
TURN_SECONDS = 0.15
PAUSE_SECONDS = 0.15  # after which the threads of the contender before have stopped looking for work
WARM_ROUNDS = 2


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
            case "run", name, steps, processor:
                clock = time.process_time if processor else time.perf_counter
                started = clock()
                runs[name](steps)
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

    def ask(self, *request: object) -> object:
        """Send a request; return the answer."""
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


def times(
    libraries: Mapping[str, Library], case: object, rounds: int, compiled: bool, processor: bool
) -> dict[str, list[float]]:
    """Time a case's contenders in turns; return each one's seconds a step, a round each."""
    options = {"with_pytorch": {"compiled": compiled}}
    names = {
        name: module
        for module, library in libraries.items()
        for name in library.ask("build", case, options.get(module, {}))  # type: ignore[attr-defined]
    }
    for name, module in [*names.items()]:
        try:
            libraries[module].ask("run", name, 3, processor)  # compiles
        except EOFError:
            raise SystemExit(f"{case}: {name} broke down") from None
    ours = statistics.median(libraries["with_numpy"].ask("run", "fused", 3, processor) for _ in range(5))  # type: ignore[type-var]
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds + WARM_ROUNDS):
        for name, module in names.items():
            time.sleep(PAUSE_SECONDS)
            steps = 3 if name == "peak" else max(2, round(TURN_SECONDS / ours))
            found[name].append(libraries[module].ask("run", name, steps, processor))  # type: ignore[arg-type]
    return {name: seconds[WARM_ROUNDS:] for name, seconds in found.items()}


def row(case: object, found: Mapping[str, list[float]], operations: float, large: float) -> list[str]:
    """Write a case's row: samples/s, the ratios to the best of each kind, the share of the peak."""
    ours = found["fused"]

    def best(beginning: str) -> str:
        names = [name for name in found if name.startswith(beginning)]
        if not names:
            return ""
        name = min(names, key=lambda name: statistics.median(found[name]))
        ratio = statistics.median(theirs / own for theirs, own in zip(found[name], ours, strict=True))
        variant = name.removeprefix(beginning).strip(" ,")
        return f"{ratio:.2f}" + (f" ({variant})" if variant else "")

    share = statistics.median(operations / own / (large / peak) for own, peak in zip(ours, found["peak"], strict=True))
    return [
        *str(case).split(),
        f"{statistics.median(ours) * 1e6:,.0f}",
        f"{case.batch / statistics.median(ours):,.0f}",  # type: ignore[attr-defined]
        *map(best, ("PyTorch", "torch.compile", "JAX jit", "scikit-learn", "separate")),
        f"{share:.0%}",
    ]


def main() -> None:
    """Print a table for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="the cases whose name has this in it, such as cnn")
    parser.add_argument("--processor-time", action="store_true", help="count processor time, with one thread")
    parser.add_argument("--without-compile", action="store_true", help="leave torch.compile out, which takes minutes")
    arguments = parser.parse_args()
    from contenders.cases import CASES

    head = [
        "network",
        "batch",
        "optimizer",
        "µs",
        "samples/s",
        "PyTorch",
        "compiled",
        "JAX",
        "scikit-learn",
        "separate",
    ]
    for threads in arguments.threads:
        with started(threads) as libraries:
            versions = ", ".join(library.version for library in libraries.values())
            clock = ", of processor time" if arguments.processor_time and threads == 1 else ""
            many = f"{threads} thread{'s' * (threads > 1)}"
            print(f"\n{versions}; {many}, medians of {arguments.rounds} rounds{clock}\n")
            print("| " + " | ".join([*head, "of the peak"]) + " |\n" + "|---" * (len(head) + 1) + "|", flush=True)
            for case in CASES:
                if arguments.only in str(case):
                    compiled, processor = not arguments.without_compile, arguments.processor_time and threads == 1
                    found = times(libraries, case, arguments.rounds, compiled, processor)
                    operations, large = (
                        libraries["with_numpy"].ask("call", *call)
                        for call in (("operations", case), ("peak_operations",))
                    )
                    print("| " + " | ".join(row(case, found, operations, large)) + " |", flush=True)  # type: ignore[arg-type]
        print("\nload of the last 1, 5, 15 minutes:", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main()
