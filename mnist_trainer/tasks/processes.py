"""How many cores a run's updates take, and in which way: `trainer.threads`."""

from dataclasses import dataclass, replace

from mnist_trainer.config import TrainerConfig
from mnist_trainer.tasks.cpus import affordable, own_cpus
from mnist_trainer.training.team import can_share
from mnist_trainer.training.trainer import Trainer

AUTO = "auto"
LEAST_OPERATIONS = 1e8
LEAST_ROWS = 16
MOST = 4


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
    """
    rows = min(trainer.train.batch_size, trainer.train.samples)
    shares = can_share(trainer.model, trainer.loss, trainer.optimizer)
    if settings.threads == AUTO:
        room = min(rows // LEAST_ROWS, int(operations(trainer, rows) / LEAST_OPERATIONS))
        found = Cores(max(1, min(own_cpus(), MOST, room)) if shares else 1, 1)
    else:
        wanted = int(settings.threads) if alone else affordable(int(settings.threads))
        found = Cores(wanted, 1) if shares and 1 < wanted <= rows else Cores(1, wanted)
    return replace(found, processes=kept) if kept is not None and shares else found


def product_threads(settings: TrainerConfig) -> int:
    """Tell how many threads matrix products get in a task that trains in one process."""
    return 1 if settings.threads == AUTO else int(settings.threads)


def operations(trainer: Trainer, rows: int) -> float:
    """Count the operations of an update's matrix products, forward and backward, in a batch of so many rows."""
    return 3.0 * rows * sum(step.operations() for step in trainer.model.steps)
