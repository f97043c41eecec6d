"""Jobs on hosts that don't share the sweep's folder: what they are told, and how what they leave comes back.

Each has a folder of its own on its host, and a shipper of its own; MLflow has what is to outlive it (`shipping.apart`).
"""

import base64
import json
import logging
import os
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import DictConfig, read_write

from mnist_trainer.errors import ConfigError, TrackingError
from mnist_trainer.hyperparameters import picked_hyperparameters
from mnist_trainer.journal.address import is_server
from mnist_trainer.journal.reading import read_start
from mnist_trainer.runs.tracked import SEVERAL, Tracked
from mnist_trainer.shipping.shipper import ask
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.words import quoted, shown

log = logging.getLogger(__name__)

HANDED_DOWN = "MNIST_TRAINER_SWEEP"
"""The variable, in a job's environment, that tells of its sweep."""
AWAY = "away"
"""The folder of jobs on their hosts: one of these may be the sweep's own, whose folder is for what comes back."""
SECONDS = 60.0
"""How long a job waits for the store at its beginning, and a sweep at its end; or longer: tracking.wait_seconds."""
LISTENING_SECONDS = 12.0
"""How long a job that lives is silent at most."""


@dataclass(frozen=True)
class HandedDown:
    """What a job is told of its sweep; all in letters that need no quotes, wherever they go through."""

    run: str
    overrides: list[str]
    uri: str
    experiment: str | None
    """None where each job's is that of its own data."""

    @classmethod
    def read(cls) -> "HandedDown | None":
        """Read it in a job; None in a sweep that shares its folder."""
        told = os.environ.get(HANDED_DOWN)
        return None if told is None else picked_hyperparameters(cls, json.loads(base64.urlsafe_b64decode(told)))

    @property
    def override(self) -> str:
        """What hands it down to every job, with whatever launcher."""
        told = base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()
        return f"+hydra.job.env_set.{HANDED_DOWN}='{told}'"

    @property
    def record(self) -> SweepRecord:
        """The sweep, as far as a job has to know it."""
        return SweepRecord(self.run, self.overrides, None, apart=True)

    def run_of(self, job: Path) -> str:
        """Return the run of the job with this folder, the same whichever host begins it."""
        number, _, _ = job.name.partition("-")
        return uuid.uuid5(uuid.UUID(self.run), number).hex

    def take(self, job: Path, wait_seconds: float) -> None:
        """Bring what there is of the job to its folder here; raises `TrackingError` if MLflow doesn't answer."""
        ask(self.uri, max(SECONDS, wait_seconds), "take", str(job), self.uri, self.run_of(job))


def check(tracked: Tracked, storage: str | None, *, tuned: bool) -> None:
    """Raise `ConfigError` if the store, or the study's storage, is one that jobs on other hosts can't reach."""
    if tracked.mode == "off" or not is_server(tracked.uri):
        has = "tracking=off" if tracked.mode == "off" else f"tracking.uri={tracked.uri}"
        raise ConfigError(
            f"sweep.shared_folder=false: results come back through an MLflow server that all hosts reach, and {has} is "
            "none; give tracking.uri=http://HOST:PORT, or let the hosts share the folder"
        )
    if tuned and (storage is None or "://" not in storage or storage.startswith("sqlite")):
        raise ConfigError(
            f"sweep.shared_folder=false: hydra.sweeper.storage={storage} is a file, and jobs report to their study "
            "from other hosts; give hydra.sweeper.storage=postgresql://USER@HOST/DATABASE"
        )


def require(tracked: Tracked, experiment: str) -> None:
    """Raise `TrackingError` if the server doesn't answer, or keeps artifacts where other hosts can't reach them."""
    seconds = tracked.config.wait_seconds
    ask(tracked.uri, seconds, "serve", tracked.uri, experiment, str(tracked.store_folder))


def hand_down(config: DictConfig, folder: Path, record: SweepRecord, uri: str) -> None:
    """Let the jobs know their sweep, and have folders of their own: relative ones, if `outputs` is."""
    start = read_start(folder)
    experiment = None if start is None or start.experiment == SEVERAL else start.experiment
    own = [HandedDown(record.run, record.overrides, uri, experiment).override, place(config, folder)]
    if record.tuning is not None:
        own.append(f"hydra.sweeper.study_name={quoted(config.hydra.sweeper.study_name or folder.name)}")
    with read_write(config.hydra):
        config.hydra.overrides.hydra.extend(own)


def place(config: DictConfig, folder: Path) -> str:
    """Return the override that says where jobs have their folders."""
    named = str(folder) if Path(str(config.outputs)).is_absolute() else shown(folder)
    return f"hydra.sweep.dir={quoted(str(Path(named, AWAY)))}"


def bring_back(folder: Path, wait_seconds: float) -> dict[str, str]:
    """Bring what the jobs have left into the sweep's folder; returns those that MLflow has as running.

    For what it tells of these, see `shipping.apart`. Raises `TrackingError` if the store doesn't answer.
    """
    start = read_start(folder)
    if start is None or start.uri is None:
        return {}
    found = json.loads(ask(start.uri, wait_seconds, "bring", str(folder), start.uri) or "{}")
    return {str(name): str(alive) for name, alive in found.items()}


def check_silent(folder: Path, wait_seconds: float) -> None:
    """Bring back what there is; raises `TrackingError` if a job is still running, on whatever host."""
    before = bring_back(folder, wait_seconds)
    if not before:
        return
    log.info(f"{shown(folder)}: listening whether {', '.join(sorted(before))} still run")
    time.sleep(LISTENING_SECONDS)
    now = bring_back(folder, wait_seconds)
    if alive := sorted(name for name in now.keys() & before.keys() if now[name] != before[name]):
        raise TrackingError(f"{shown(folder)}: still running: {', '.join(alive)}; wait for its end")
