"""How many CPUs a job may keep busy, alone or beside the others of a sweep."""

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

GRANTED = "OMP_NUM_THREADS"
"""What launchers set for their workers; joblib's, Ray's and Slurm's do."""
THREADS = (GRANTED, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What the libraries of matrix products read when they are loaded."""
QUOTA = Path("/sys/fs/cgroup/cpu.max")


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


def share_cpus(jobs: int) -> None:
    """Grant so many jobs, which will run side by side in processes of their own, equal shares of the CPUs."""
    for name in THREADS:
        os.environ[name] = str(max(1, min(own_cpus(), usable_cpus() // jobs)))


def affordable(threads: int) -> int:
    """Return how many of the wanted threads a job takes that has others beside it."""
    own = own_cpus()
    if threads <= own:
        return threads
    has = f"{own} CPU{'' if own == 1 else 's'}"
    log.warning(f"trainer.threads={threads}: beside the sweep's other jobs this one has {has}, and takes {own}")
    return own
