"""Slurm, by its own commands: the states of jobs in its queue, and that they are to be cancelled.

`squeue` knows ended jobs for some minutes, too (Slurm's MinJobAge), and on any cluster: `sacct` wants a database.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mnist_trainer.errors import ConfigError

ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
}
"""The states of jobs that don't run any more, and won't be requeued."""
RUNNING = "RUNNING"
LARGEST_ARRAY = 1001
"""Slurm's default of MaxArraySize: the index of an array's last job is below it."""
PATIENCE_SECONDS = 30.0


class QueueError(Exception):
    """Slurm can't be asked now."""


@dataclass(frozen=True)
class Seen:
    """A job in the queue."""

    state: str
    node: str
    """Where it runs; "" if it doesn't."""


def require() -> None:
    """Raise `ConfigError` where there is no Slurm."""
    if lacking := [name for name in ("sbatch", "srun", "squeue", "scancel") if not shutil.which(name)]:
        raise ConfigError(
            f"hydra/launcher=submitit_slurm: there is no {', no '.join(lacking)} here: start it where Slurm's jobs are "
            "submitted, or take hydra/launcher=submitit_local"
        )


def seen(ids: Iterable[str]) -> dict[str, Seen]:
    """Return these jobs, `12` or `12_3` of an array, as far as the queue still knows them; raises `QueueError`."""
    wanted = set(ids)
    arrays = sorted({each.partition("_")[0] for each in wanted})
    told = ask("squeue", "--noheader", "--array", "--states=all", f"--jobs={','.join(arrays)}", "--format=%i|%T|%N")
    found = {}
    for line in told.splitlines():
        name, state, node = [*line.strip().split("|"), "", ""][:3]
        if name in wanted:
            found[name] = Seen(state, node)
    return found


def submitted_from(folder: Path) -> list[str]:
    """Return the jobs in the queue that were submitted by a file in this folder; raises `QueueError`."""
    lines = ask("squeue", "--noheader", "--array", "--format=%i|%o").splitlines()
    told = [line.strip().partition("|") for line in lines]
    return [name for name, _, command in told if Path(command).is_relative_to(folder)]


def own_state() -> str | None:
    """Return the state of the job that this process is; None if Slurm can't be asked, or knows none."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    own = f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
    try:
        found = seen([own])
    except QueueError:
        return None
    return found[own].state if own in found else None


def cancel(ids: Iterable[str]) -> None:
    """Cancel these jobs, the whole array of each; raises `QueueError`."""
    ask("scancel", *sorted({each.partition("_")[0] for each in ids}))


def largest_job_array() -> int:
    """Return how many jobs an array may have."""
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config"), re.MULTILINE)
    except QueueError:
        found = None
    return max(1, int(found[1]) if found else LARGEST_ARRAY)


def ask(*command: str) -> str:
    """Return what one of Slurm's commands says; raises `QueueError` with its own words."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=PATIENCE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QueueError(f"{command[0]}: {error}") from error
    if done.returncode and "Invalid job id" not in done.stderr:  # which it has forgotten
        why = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise QueueError(why if why.startswith(command[0]) else f"{command[0]}: {why}")
    return done.stdout
