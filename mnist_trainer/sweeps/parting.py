"""A signal to a sweep whose jobs run in other processes: they get the time to write a checkpoint each."""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from types import FrameType

from mnist_trainer.journal.reading import is_alive, read_start
from mnist_trainer.sweeps.jobs import OUTCOME, job_folders
from mnist_trainer.training.interruption import Interrupted

PATIENCE_SECONDS = 2.0


def part_gently(folder: Path) -> None:
    """Let a first SIGINT or SIGTERM wait for the running jobs of the sweep in `folder`; a second one leaves at once.

    A terminal's Ctrl-C reaches the jobs, too; SIGTERM is handed on. Launchers kill them once this process leaves.
    """

    def part(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, leave)
        running = [job for job in job_folders(folder).values() if is_alive(job)]
        if number == signal.SIGTERM:
            for job in running:
                hand_on(job, number)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and any(is_alive(job) or not (job / OUTCOME).exists() for job in running):
            time.sleep(0.02)
        raise Interrupted(number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, part)


def leave(number: int, frame: FrameType | None) -> None:
    """Raise `Interrupted`."""
    raise Interrupted(number)


def hand_on(job: Path, number: int) -> None:
    """Send the signal to the process that runs the job, if it is one of this host."""
    start = read_start(job)
    if start is not None and start["host"] == socket.gethostname():
        with contextlib.suppress(ProcessLookupError):
            os.kill(start["pid"], number)
