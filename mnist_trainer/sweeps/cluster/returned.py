"""What a job of submitit's leaves for the command that launched it: what it returned, or what was raised."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from mnist_trainer.sweeps.cluster.launched import OVER


def said(job: Any, state: str) -> str:
    """Return how a job ended: Slurm's state, or what was raised outside of the job itself."""
    if state != OVER or not job.paths.result_pickle.exists():
        return state
    error = job.exception()
    if error is None:
        return OVER
    reason = [line for line in str(error).splitlines() if line.strip()]
    trace = next((at for at, line in enumerate(reason) if line.startswith("Traceback")), 0)
    last = next((line for line in reason[trace + 1 :] if line[0] not in " -"), "its process failed")
    return f"{last}; see {job.paths.stderr}"


def returned(job: Any, overrides: Sequence[str]) -> JobReturn:
    """Return what a job returned to Hydra; one that has no result has told the sweep's report why."""
    found = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    if job.paths.result_pickle.exists() and job.exception() is None:
        found = job.results()[0]
    return found


def slim(done: JobReturn) -> JobReturn:
    """Return it without the configuration, which the command has: a thousand of them take long to read."""
    done.cfg = done.hydra_cfg = None
    return done
