"""Jobs that run side by side, in processes of a launcher: how many at once, and how a signal reaches them."""

import contextlib
import logging
import os
import re
import signal
import socket
import time
from pathlib import Path
from types import FrameType

from omegaconf import DictConfig, read_write

from mnist_trainer.errors import ConfigError
from mnist_trainer.files import OUTCOME
from mnist_trainer.journal.reading import is_alive, read_start
from mnist_trainer.runs.cores import share_cpus_among_runs, usable_cpus
from mnist_trainer.sweeps.jobs import job_folders
from mnist_trainer.training.interruption import IMPATIENT, handle_signals, raise_from

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
FROM_TERMINALS = {signal.SIGINT, signal.SIGQUIT}
"""What reaches all processes by itself; so does SIGHUP, but twice does no harm."""


WHOLE_NUMBERS = ("JOBLIB_MULTIPROCESSING", "LOKY_MAX_CPU_COUNT", "LOKY_MAX_DEPTH")
"""Variables of the environment that joblib reads as such."""


def limit_workers(config: DictConfig) -> None:
    """Let no more jobs run side by side than there are CPUs, each with its share of these."""
    wanted = config.hydra.launcher.get("n_jobs")  # joblib's
    if wanted is None:
        return
    for name in WHOLE_NUMBERS:
        if (text := os.environ.get(name)) is not None and not re.fullmatch(r"-?\d+", text):
            raise ConfigError(f"{name}={text}: joblib takes a whole number: unset it, or give it one")
    if wanted == 0:
        raise ConfigError("hydra.launcher.n_jobs=0 runs no job; give 1 or more, or -1 for as many as there are CPUs")
    cpus = usable_cpus()
    workers = max(1, cpus + 1 + wanted if wanted < 0 else wanted)
    if workers > cpus:
        log.info(f"hydra.launcher.n_jobs={wanted}: there are {cpus} CPUs to use, so {cpus} jobs run side by side")
        workers = cpus
        with read_write(config.hydra):
            config.hydra.launcher.n_jobs = workers
    share_cpus_among_runs(workers)


def part_gently(folder: Path) -> None:
    """Let a first signal wait for the running jobs of the sweep in `folder`; a second one leaves at once.

    A terminal's Ctrl-C reaches the jobs, too; others are handed on. Launchers kill them once this process leaves.
    """

    def part(number: int, frame: FrameType | None) -> None:
        handle_signals(leave_side_by_side)
        running = [job for job in job_folders(folder).values() if is_alive(job)]
        if number not in FROM_TERMINALS:
            for job in running:
                hand_signal_on(job, number)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and any(is_alive(job) or not (job / OUTCOME).exists() for job in running):
            time.sleep(0.02)
        raise_from(frame, number)

    handle_signals(part)


def leave_side_by_side(number: int, frame: FrameType | None) -> None:
    """Answer a second signal: one of somebody who won't wait."""
    if number in IMPATIENT:
        raise_from(frame, number)


def hand_signal_on(job: Path, number: int) -> None:
    """Send the signal to the process that runs the job, if it is one of this host."""
    start = read_start(job)
    if start is not None and start.host == socket.gethostname():
        with contextlib.suppress(ProcessLookupError):
            os.kill(start.pid, number)
