"""A job's process on a cluster: what SIGTERM means there, and how many cores it has."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mnist_trainer.runs.cores import THREADS
from mnist_trainer.sweeps.cluster import slurm
from mnist_trainer.training.interruption import Interrupted, raise_from

log = logging.getLogger(__name__)


@contextmanager
def on_slurm() -> Iterator[None]:
    """Within the block, answer SIGTERM as Slurm means it, and have as many cores as it has granted.

    What asks the job to leave ends the process, without submitit's traceback.
    """
    take_cores()
    signal.signal(signal.SIGTERM, stay_or_leave_cluster_job)
    with leaving_cluster_job():
        yield


@contextmanager
def on_this_machine() -> Iterator[None]:
    """Within the block, let SIGTERM stop the job, which submitit would ignore."""
    signal.signal(signal.SIGTERM, leave_cluster_job)
    with leaving_cluster_job():
        yield


@contextmanager
def leaving_cluster_job() -> Iterator[None]:
    """Let a signal that ends the job end the process."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise SystemExit(error.exit_code if isinstance(error, Interrupted) else 130) from error


def take_cores() -> None:
    """Grant this job what Slurm has granted, whatever the variables of the shell that submitted it say."""
    granted = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    if granted:
        for name in THREADS:
            os.environ[name] = granted


def stay_or_leave_cluster_job(number: int, frame: FrameType | None) -> None:
    """Answer SIGTERM, when there is a checkpoint: leave if Slurm has done with the job, as after `scancel`.

    One that is preempted still runs, as Slurm sees it, and is requeued when its grace is over: if it left by itself, it
    would count as failed. So it goes on until it is killed; what it learns by then is kept, too, if an epoch ends.
    """
    if slurm.own_state() in (slurm.RUNNING, None):
        log.warning("SIGTERM: Slurm will take this node away; there is a checkpoint, and training goes on until then")
        return
    raise_from(frame, number)


def leave_cluster_job(number: int, frame: FrameType | None) -> None:
    """Answer SIGTERM, when there is a checkpoint, by leaving."""
    raise_from(frame, number)
