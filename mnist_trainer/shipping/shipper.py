"""The training process's side: start the shipper, and wait for it at the end; the commands that are printed."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from mnist_trainer.errors import TrackingError, error_reason
from mnist_trainer.journal.address import ALLOW_FILES, folder_path, is_server, resolve_uri
from mnist_trainer.shipping.place import Place, Question
from mnist_trainer.shipping.position import count_left, served_folders
from mnist_trainer.shipping.shipment import Shipment
from mnist_trainer.words import command

LOG = "shipper.log"
CHILD = ("-P", "-m", "mnist_trainer.shipping.child")
ANSWERED = 2
"""A child's status where the store has answered, and the answer is no."""
GRACE_SECONDS = 2.0  # more than the shipper takes to stop


class Shipper:
    """A child process that sends the journals of `folder`, a run's or a sweep's, while this process lives.

    The pipe to its standard input is its only link to this process: it closes when `finish` is
    called, or when this process dies. The child tries for `deadline` seconds after that.
    """

    def __init__(self, folder: Path, *, python: str = sys.executable, deadline: float = 60.0) -> None:
        self.folder = folder.absolute()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / LOG).open("ab") as log:
                self._child = subprocess.Popen(
                    [python, *CHILD, "ship", str(self.folder), str(deadline)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=child_environment(),
                    start_new_session=True,
                    encoding="utf-8",
                    errors="replace",
                )
        except OSError as error:
            raise TrackingError(f"the shipper ({python}) can't be started: {error_reason(error)}") from error

    def finish(self, wait_seconds: float, *, leave: bool = False) -> Shipment | None:
        """Let it send the rest; after `wait_seconds` it is ended, and what is left stays in the journal.

        With `leave`, it goes on without this process instead, for up to its own deadline; None is returned. So it does
        after a signal in here.
        """
        timed_out = False
        try:
            output, _ = self._child.communicate(timeout=wait_seconds)
        except subprocess.TimeoutExpired:
            if leave:
                self._let_go()
                return None
            timed_out = True
            output = self._stop()
        except KeyboardInterrupt:
            self._let_go()
            raise
        try:
            return replace(Shipment.from_json(output), timed_out=timed_out)
        except ValueError:
            left = sum(count_left(folder) for folder in served_folders(self.folder))
            why = "took too long" if timed_out else f"ended with status {self._child.returncode}"
            return Shipment(left=left, error=f"the shipper {why}; see {self.folder / LOG}", timed_out=timed_out)

    def _let_go(self) -> None:
        """Leave it to itself: nobody waits for it any more, and Popen would warn of that."""
        self._child.returncode = 0
        for pipe in filter(None, (self._child.stdin, self._child.stdout)):
            pipe.close()

    def _stop(self) -> str:
        self._child.terminate()
        try:
            return self._child.communicate(timeout=GRACE_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.communicate()[0]


def ask_store(uri: str, question: Question, store_folder: Path, wait_seconds: float) -> Place:
    """Wait until the store answers; raises TrackingError if it doesn't for `wait_seconds`, or says no."""
    why = question.why(wait_seconds)
    return Place(**json.loads(ask(uri, wait_seconds, "ask", uri, question.as_json(), str(store_folder), why=why)))


def ask(uri: str, wait_seconds: float, *words: str, why: str = "") -> str:
    """Let a process beside this one ask the store at `uri`, for so long; returns what it prints (`child`).

    Raises `TrackingError` if it says no, and if it has no answer: then with `why` it is asked.
    """
    try:
        asked = subprocess.run(
            [sys.executable, *CHILD, *words, f"{wait_seconds:g}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
            timeout=wait_seconds + GRACE_SECONDS,
            check=False,
        )
        problem = asked.stdout or f"{uri}: its process ended with status {asked.returncode}"
    except subprocess.TimeoutExpired:
        problem = f"{uri}: no answer within {wait_seconds:g} s"
    else:
        if not asked.returncode:
            return asked.stdout
        if asked.returncode == ANSWERED:
            raise TrackingError(problem)
    raise TrackingError("\n".join(filter(None, [problem, why])))


def child_environment() -> dict[str, str]:
    """Return the environment of a process beside training."""
    environment = dict(os.environ)
    source = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [environment.get("PYTHONPATH")])])
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = "1"  # the processors are training's
    return environment


def mlflow_ui_command(uri: str | None, store_folder: Path) -> str:
    """Return the command that opens MLflow's UI on a store, from this directory; a server's own URL."""
    resolved = resolve_uri(uri, store_folder)
    if is_server(resolved):
        return resolved
    # Its jobs, of GenAI, would start 13 processes more; `env` sets a variable in whatever shell it is
    variables = ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"]
    if folder_path(resolved) is not None:
        variables.append(f"{ALLOW_FILES}=true")
    opened = command("mlflow", "ui", "--backend-store-uri", resolved, "--workers", "1")
    return f"{shlex.join(['env', *variables])} {opened}"
