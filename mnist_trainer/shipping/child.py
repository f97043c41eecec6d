"""The processes beside training, started by `shipper.py`: `python -m mnist_trainer.shipping.child WORD ...`.

`ship FOLDER DEADLINE` is the shipper. Its standard input is a pipe whose other end closes when the parent is done, or
dead. At its exit it writes one line of JSON, a `Shipment`. All else goes to `shipper.log` in the folder. SIGTERM ends
it after the batch that it is sending, or a second later, if the store doesn't answer; others are the parent's.

`ask URI QUESTION FOLDER SECONDS` asks a store where a run goes and, if that is required, whether it takes what it is
sent. It tries for so many seconds, and ends with status 0 and the answer, in a line of JSON; with 2 and why not, if
that is the answer; or with 1 and what is wrong. FOLDER is for the artifacts of an experiment that is made.

`serve URI EXPERIMENT FOLDER SECONDS` tells whether other hosts reach the artifacts, too. `take FOLDER URI RUN SECONDS`
and `bring FOLDER URI SECONDS` are `apart`'s; the latter prints what it returns as JSON.
"""

import gc
import json
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from mnist_trainer.credentials import hidden
from mnist_trainer.shipping import apart
from mnist_trainer.shipping.apart import check_serves
from mnist_trainer.shipping.patience import POLL_SECONDS, Patience
from mnist_trainer.shipping.place import Question, place_in
from mnist_trainer.shipping.shipment import Shipment
from mnist_trainer.shipping.shipper import LOG
from mnist_trainer.shipping.store import connect
from mnist_trainer.shipping.watch import Watch

NICENESS = 10
STOP_SECONDS = 1.0
THE_PARENT_S = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
"""What tells a whole group of processes, or a cluster's job, that its time is over."""


def ship(folder: str, deadline: str) -> None:
    """Serve the folder until the parent is gone and all is sent, or for so many seconds after that."""
    report_to = _redirect_output(Path(folder, LOG))
    watch = Watch(Path(folder), float(deadline), sys.stdin.fileno())

    def stop(*_: object) -> None:
        watch.stop()
        signal.setitimer(signal.ITIMER_REAL, STOP_SECONDS)

    for number in THE_PARENT_S:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, lambda *_: report(watch.shipment(), report_to))
    os.nice(NICENESS)
    report(watch.run(), report_to)


def report(shipment: Shipment, report_to: int) -> NoReturn:
    """End this process at once, and tell the parent what was sent."""
    try:
        leave(shipment.as_json() + "\n", report_to)
    except BrokenPipeError:  # the parent died
        logging.getLogger(__name__).info("%s", shipment.as_json())
    leave()


def ask(uri: str, question: str, folder: str, seconds: str) -> None:
    """Try until the store has answered, or can't."""
    asked = Question.from_json(question)

    def answer() -> str:
        asked.check(uri)
        return json.dumps(asdict(place_in(connect(uri), asked, Path(folder))))

    insist(uri, seconds, answer)


def serve(uri: str, experiment: str, folder: str, seconds: str) -> None:
    """Try until the store has taken a tag, and look where its artifacts are."""
    insist(uri, seconds, lambda: check_serves(connect(uri), connect(uri).touch(experiment, Path(folder))))


def take(folder: str, uri: str, run: str, seconds: str) -> None:
    """Bring what there is of a job's run."""
    insist(uri, seconds, lambda: apart.take(Path(folder), uri, run))


def bring(folder: str, uri: str, seconds: str) -> None:
    """Bring what a sweep's jobs have left."""
    insist(uri, seconds, lambda: json.dumps(apart.bring(Path(folder), uri)))


def insist(uri: str, seconds: str, ask: Callable[[], object]) -> NoReturn:
    """Ask a store until it answers, or can't; what is returned is printed, if it is a text."""
    patience, report_to = Patience(), sys.stdout.fileno()

    def fail(*_: object) -> NoReturn:
        leave(patience.error or f"{uri}: no answer within {seconds} s", report_to, status=2 if patience.answered else 1)

    signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, max(float(seconds), 1e-3))
    while True:
        if patience.due:
            try:
                answer = ask()
            except Exception as error:
                patience.failed(error, uri)
            else:
                leave(answer if isinstance(answer, str) else "", report_to)
        if patience.lasting:
            fail()
        time.sleep(POLL_SECONDS)


def leave(told: str = "", report_to: int = 1, status: int = 0) -> NoReturn:
    """End this process: the interpreter would take 0.6 s to take MLflow apart, and the user is waiting."""
    os.write(report_to, told.encode())
    logging.shutdown()
    os._exit(status)


class ShipperLogFormatter(logging.Formatter):
    """Hides the passwords in what libraries log, tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        return hidden(super().format(record))


def _redirect_output(path: Path) -> int:
    """Send all output to the file `path`; the descriptor of the standard output as it was."""
    report_to = os.dup(sys.stdout.fileno())
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    sys.stdout.flush()
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ShipperLogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    warnings.simplefilter("ignore")  # MLflow's and its dependencies': nobody here can act on them
    return report_to


WORDS: dict[str, Callable[..., None]] = {"ship": ship, "ask": ask, "serve": serve, "take": take, "bring": bring}

if __name__ == "__main__":
    gc.disable()  # looking through what MLflow's import makes takes a quarter of it; `Watch` enables it
    word, *arguments = sys.argv[1:]
    WORDS[word](*arguments)
