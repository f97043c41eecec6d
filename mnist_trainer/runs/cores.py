"""How many cores a run's updates take, and in which way: `trainer.threads`."""

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from threadpoolctl import threadpool_limits

from mnist_trainer.config import TrainerConfig
from mnist_trainer.errors import ConfigError, NoTeamError, error_reason
from mnist_trainer.training.team import can_share
from mnist_trainer.training.trainer import Trainer

AUTO = "auto"
LEAST_OPERATIONS = 1e8
LEAST_ROWS = 16
MOST = 4

log = logging.getLogger(__name__)
GRANTED = "OMP_NUM_THREADS"
"""What launchers set for their workers; joblib's, Ray's and Slurm's do."""
THREADS = (GRANTED, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What the libraries of matrix products read when they are loaded."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Cores:
    """So many processes share an update, each with so many threads for its matrix products."""

    processes: int
    threads: int


def cores_for(settings: TrainerConfig, trainer: Trainer, *, alone: bool = True, kept: int | None = None) -> Cores:
    """Tell how `trainer.threads` is meant for this trainer, in a job that runs `alone` or beside others.

    A run that is resumed has as many processes as before, `kept`, if that can be.

    A number says how many: processes, each with a part of every batch, where the samples can be parted, or else
    threads of the matrix products. `auto` is as many processes as the job may have cores, but no more than 4, and
    only so many that each has 16 images and 100 million operations of matrix products an update, a millisecond; one,
    where the samples can't be parted. It depends on sizes alone: what is timed differs from run to run, and the last
    bits with it. Two processes on two idle cores are 1.4 times as quick as one with 784-128-64-10, too, which `auto`
    leaves to one: with another busy process beside them they would take 1.45 times as long, waiting for each other.
    With batch normalisation they meet more often than with other layers: on two idle cores `resnet_mini` at 128 is
    1.75 times as quick with two, but with a dozen others beside them takes 1.3 to 2.1 times as long.
    """
    rows = min(trainer.train.batch_size, trainer.train.samples)
    shares = can_share(trainer.model, trainer.loss, trainer.optimizer)
    if settings.threads == AUTO:
        room = min(rows // LEAST_ROWS, int(matrix_operations(trainer, rows) / LEAST_OPERATIONS))
        found = Cores(max(1, min(own_cpus(), MOST, room)) if shares else 1, 1)
    else:
        wanted = announced_threads(int(settings.threads)) if alone else affordable_threads(int(settings.threads))
        found = Cores(wanted, 1) if shares and 1 < wanted <= rows else Cores(1, wanted)
    return replace(found, processes=kept) if kept is not None and shares else found


def take_cores(cores: Cores, settings: TrainerConfig, trainer: Trainer) -> None:
    """Let the trainer have its processes: those of `auto` if it can, those asked for by number or not at all.

    Raises `ConfigError` where they can't be had.
    """
    trainer.processes, trainer.or_alone = cores.processes, settings.threads == AUTO
    if trainer.or_alone:
        return
    try:
        with trainer.together():  # now, while nothing is written
            pass
    except NoTeamError as error:
        one = "give trainer.threads=1, or auto, which does with one what several can't"
        raise ConfigError(f"trainer.threads={settings.threads}: {error}; {one}") from error


def product_limits(threads: int) -> AbstractContextManager[object]:
    """Let matrix products have so many threads within the block; where that can't be said, they have what they have."""
    try:
        return cast(AbstractContextManager[object], threadpool_limits(threads, "blas"))
    except Exception as error:  # whatever looking for libraries raises, on a system that its authors didn't know
        log.warning(f"the threads of matrix products can't be set to {threads}: {error_reason(error)}")
        return nullcontext()


def product_threads(settings: TrainerConfig) -> int:
    """Tell how many threads matrix products get in a task that trains in one process."""
    return 1 if settings.threads == AUTO else int(settings.threads)


def matrix_operations(trainer: Trainer, rows: int) -> float:
    """Count the operations of an update's matrix products, forward and backward, in a batch of so many rows."""
    return 3.0 * rows * sum(step.operations() for step in trainer.model.steps)


def usable_cpus() -> int:
    """Return how many CPUs this process may use: those it may run on, at most its control group's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text(encoding="ascii").split()
        cpus = min(cpus, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group of version 2, or "max"
        pass
    return cpus


def own_cpus() -> int:
    """Return how many CPUs this job may keep busy: of those usable, as many as whoever started it granted."""
    granted = os.environ.get(GRANTED, "")
    return max(1, min(usable_cpus(), int(granted))) if granted.isdecimal() else usable_cpus()


def share_cpus_among_runs(jobs: int) -> None:
    """Grant so many jobs, which will run side by side in processes of their own, equal shares of the CPUs."""
    for name in THREADS:
        os.environ[name] = str(max(1, min(own_cpus(), usable_cpus() // jobs)))


def announced_threads(threads: int) -> int:
    """Return how many threads are wanted; more than there are CPUs are told of, since they wait for each other."""
    if threads > (cpus := usable_cpus()):
        has = f"{cpus} CPU{'' if cpus == 1 else 's'} to use"
        log.warning(f"trainer.threads={threads}: there {'is' if cpus == 1 else 'are'} {has}; more take longer")
    return threads


def affordable_threads(threads: int) -> int:
    """Return how many of the wanted threads a job takes that has others beside it."""
    own = own_cpus()
    if threads <= own:
        return threads
    has = f"{own} CPU{'' if own == 1 else 's'}"
    log.warning(f"trainer.threads={threads}: beside the sweep's other jobs this one has {has}, and takes {own}")
    return own
