"""The shipper: a child process that sends a run's journal, or a sweep's with those of its runs, to MLflow.

`python -m mnist_trainer.shipping.child --watch FOLDER`, started by `shipper.Shipper`. Its
standard input is a pipe whose other end closes when the parent is done, or dead. At its exit it
writes one line of JSON, a `Report`. All else goes to `shipper.log` in the folder. SIGTERM ends it
after the batch that it is sending, or a second later, if the store doesn't answer; SIGINT is the parent's.
"""

import argparse
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from mnist_trainer.credentials import hidden
from mnist_trainer.shipping.shipment import Report
from mnist_trainer.shipping.shipper import LOG
from mnist_trainer.shipping.watch import Watch

NICENESS = 10
STOP_SECONDS = 1.0


def main(arguments: list[str] | None = None) -> None:
    """Serve the folder until the parent is gone and all is sent."""
    parser = argparse.ArgumentParser(prog="python -m mnist_trainer.shipping.child", description=__doc__)
    parser.add_argument("--watch", type=Path, required=True, help="a run's or a sweep's folder")
    parser.add_argument("--deadline", type=float, default=60.0, help="seconds to try after the parent's end")
    options = parser.parse_args(arguments)
    folder: Path = options.watch.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    report_to = _redirect_output(folder / LOG)
    watch = Watch(folder, options.deadline, sys.stdin.fileno())

    def stop(*_: object) -> None:
        watch.stop()
        signal.setitimer(signal.ITIMER_REAL, STOP_SECONDS)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, lambda *_: leave(watch.report(), report_to))
    os.nice(NICENESS)
    leave(watch.run(), report_to)


def leave(report: Report, report_to: int) -> NoReturn:
    """End this process at once, with a report to the parent."""
    try:
        os.write(report_to, (report.as_json() + "\n").encode())
    except BrokenPipeError:  # the parent died
        logging.getLogger(__name__).info("%s", report.as_json())
    logging.shutdown()
    os._exit(0)  # the interpreter would take 0.6 s to take MLflow apart, and the user is waiting


class WithoutPasswords(logging.Formatter):
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
    handler.setFormatter(WithoutPasswords("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    warnings.simplefilter("ignore")  # MLflow's and its dependencies': nobody here can act on them
    return report_to


if __name__ == "__main__":
    main()
