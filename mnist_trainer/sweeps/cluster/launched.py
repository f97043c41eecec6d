"""`launched.json` in a sweep's folder: where a cluster has its jobs, and how these ended there.

A job says itself how it ended, in its `outcome.json`, if it comes to that. Of one that was killed, cancelled, or is
still in the queue, the cluster knows more.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mnist_trainer.errors import ConfigError
from mnist_trainer.files import read_object, write_whole
from mnist_trainer.hyperparameters import picked_hyperparameters
from mnist_trainer.runs.folder import OutcomeEnding
from mnist_trainer.sweeps.cluster import slurm
from mnist_trainer.sweeps.cluster.memory import ran_out_of_memory

log = logging.getLogger(__name__)

LAUNCHED = "launched.json"
SUBMITTED = ".submitit"
"""Where submitit keeps what it submits, in the sweep's folder."""
SLURM = "slurm"
OVER = "OVER"
"""How a job ended of which the cluster has nothing to say."""
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
WORDS = {
    "CANCELLED": ("CANCELLED", "cancelled in Slurm"),
    "OUT_OF_MEMORY": ("FAILED", "out of memory (hydra.launcher.mem_gb=... asks for more)"),
    "NODE_FAIL": ("FAILED", "its node died"),
    "BOOT_FAIL": ("FAILED", "its node did not start"),
    "TIMEOUT": ("FAILED", "out of time (hydra.launcher.timeout_min=... asks for more)"),
    "DEADLINE": ("FAILED", "Slurm's deadline was over"),
    "PREEMPTED": ("KILLED", "preempted, and not requeued by this cluster"),
    "REVOKED": ("KILLED", "revoked by Slurm"),
    "FAILED": ("FAILED", "it ended without a word (killed, or out of memory)"),
}
"""What a state of Slurm's says of a job without a result: the status, and why."""


@dataclass(frozen=True)
class Launched:
    """What the file says; jobs are known by their numbers, as text."""

    cluster: str
    ids: dict[str, str] = field(default_factory=dict)
    """The cluster's names of all jobs that were launched: `12_3`."""
    ended: dict[str, str] = field(default_factory=dict)
    """Of those that have ended, as far as was seen: Slurm's state, or words."""

    @classmethod
    def read(cls, folder: Path) -> "Launched | None":
        """Read that of a sweep's folder; None if there is none that can be used."""
        try:
            return picked_hyperparameters(cls, read_object(folder / LAUNCHED))
        except (OSError, ValueError, ConfigError):
            return None

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(folder / LAUNCHED, json.dumps(asdict(self), indent=2) + "\n")

    def again(self, cluster: str, ids: Mapping[int, str]) -> "Launched":
        """Return it with jobs that are launched, for the first time or once more."""
        names = {str(number): name for number, name in ids.items()}
        ended = {number: state for number, state in self.ended.items() if number not in names}
        return replace(self, cluster=cluster, ids={**self.ids, **names}, ended=ended)

    def over(self, ended: Mapping[int, str]) -> "Launched":
        """Return it with jobs that have ended."""
        return replace(self, ended={**self.ended, **{str(number): state for number, state in ended.items()}})

    def queued(self) -> dict[int, slurm.Seen]:
        """Return the jobs that Slurm still has in its queue, or runs, by number; raises `QueueError`."""
        left = {number: name for number, name in self.ids.items() if number not in self.ended}
        if self.cluster != SLURM or not left:
            return {}
        seen = slurm.seen(left.values())
        return {int(number): seen[name] for number, name in left.items() if name in seen}


def cluster_endings(folder: Path) -> dict[int, OutcomeEnding]:
    """Return what the cluster says of the jobs of a sweep's folder, by number; {} if they were on none."""
    launched = Launched.read(folder)
    if launched is None:
        return {}
    states = {int(number): state for number, state in launched.ended.items()}
    found = {}
    try:
        for number, job in launched.queued().items():
            if job.state in slurm.ENDED:
                states[number] = job.state
            else:
                found[number] = still_there(job, launched.ids[str(number)])
    except slurm.QueueError as error:
        log.warning(f"Slurm can't be asked whether jobs are still in its queue: {error}")
    for number, state in states.items():
        name = launched.ids[str(number)]
        if state == "FAILED" and ran_out_of_memory(folder / SUBMITTED / name, name):
            state = "OUT_OF_MEMORY"
        if state in WORDS:
            status, why = WORDS[state]
            found[number] = OutcomeEnding(status, f"{why}, as job {name}", [])
        elif state not in ("COMPLETED", OVER):
            found[number] = OutcomeEnding("FAILED", state, [])
    return found


def strays(folder: Path) -> list[str]:
    """Return Slurm's names of a sweep's jobs that are in its queue but not in the file.

    The command was killed between submitting them and writing that down.
    """
    if not (folder / SUBMITTED).is_dir() or not shutil.which("squeue"):
        return []
    launched = Launched.read(folder)
    known = set() if launched is None else set(launched.ids.values())
    try:
        return [name for name in slurm.submitted_from(folder / SUBMITTED) if name not in known]
    except slurm.QueueError:  # which `cluster_endings` tells
        return []


def still_there(job: slurm.Seen, name: str) -> OutcomeEnding:
    """Return how things stand with a job that Slurm still has."""
    if job.state in WAITING:
        return OutcomeEnding("WAITING", f"it waits in Slurm's queue, as job {name}", [])
    return OutcomeEnding(
        "RUNNING", f"it is still running, as Slurm's job {name}{' on ' + job.node if job.node else ''}", []
    )
