"""Whether a store takes what it is sent: `python -m mnist_trainer.shipping.reaching URI EXPERIMENT FOLDER SECONDS`.

Started by `shipper.require_store`. It tries for so many seconds, and ends with status 0, or with 1 and a line on the
standard output that says what is wrong. The experiment is there then; FOLDER is for its artifacts.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from mnist_trainer.shipping.patience import POLL_SECONDS, Patience
from mnist_trainer.shipping.store import connect


def main(uri: str, experiment: str, folder: str, seconds: str) -> None:
    """Try until the store has taken a tag, or can't."""
    patience = Patience()
    signal.signal(signal.SIGALRM, lambda *_: end(patience.error or f"{uri}: no answer within {seconds} s"))
    signal.setitimer(signal.ITIMER_REAL, max(float(seconds), 1e-3))
    while True:
        if patience.due:
            try:
                connect(uri).touch(experiment, Path(folder))
            except Exception as error:
                patience.failed(error, uri)
            else:
                end(None)
        if patience.lasting:
            end(patience.error)
        time.sleep(POLL_SECONDS)


def end(problem: str | None) -> NoReturn:
    """Leave, without taking MLflow apart."""
    os.write(1, (problem or "").encode())
    os._exit(0 if problem is None else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
