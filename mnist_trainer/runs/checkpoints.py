"""A run's checkpoints: when they are written, what they say of the run, and which one it goes on from."""

import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mnist_trainer.composition import restored
from mnist_trainer.config import Config
from mnist_trainer.errors import DataError, as_data_errors, error_in_words
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.hyperparameters import check, hyperparameter, picked_hyperparameters
from mnist_trainer.journal.journal import Journal
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.records import EpochRecord
from mnist_trainer.training.state import State, snapshot
from mnist_trainer.training.trainer import Callback, Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckpointedRun:
    """What a checkpoint says of the run, beside the trainer's state."""

    run: str
    config: dict[str, Any]
    overrides: list[str]
    data: str  # the data set's digest
    version: str
    processes: int = hyperparameter(minimum=1)  # that share every update: the last bits depend on it
    journal: int = hyperparameter(minimum=0)  # its size in bytes

    def __post_init__(self) -> None:
        """Check the ranges; raises `ConfigError`."""
        check(self)


@dataclass(frozen=True)
class RunCheckpoint:
    """A run as it was when its checkpoint was taken."""

    path: Path
    about: CheckpointedRun
    state: State

    @classmethod
    def load(cls, path: Path) -> "RunCheckpoint":
        """Read a file; raises `DataError` naming it if it is anything but a run's whole checkpoint."""
        checkpoint = Checkpoint.load(path)
        with as_data_errors(path):
            return cls(path, picked_hyperparameters(CheckpointedRun, checkpoint.document), State.of(checkpoint))

    def config(self) -> Config:
        """Return the run's configuration; raises `DataError` naming the file if it is none of this version."""
        with as_data_errors(self.path):
            return restored(self.about.config)

    def save(self) -> None:
        """Write it, and keep the one before; raises `OSError`."""
        self.state.checkpoint(**asdict(self.about)).save(self.path.parent)


class Checkpoints(Callback):
    """Writes a checkpoint after every epoch, when training stops between two updates, and by the clock.

    One that can't be written (the disk is full, say) is told once; training goes on, and the one before stays.
    It has to come after the callback that writes the journal.
    """

    def __init__(self, journal: Journal, about: CheckpointedRun, *, minutes: float | None = None) -> None:
        self._journal, self._about = journal, about
        self._path = journal.folder / CHECKPOINT
        self._seconds = None if minutes is None else 60 * minutes
        self._trainer: Trainer | None = None
        self._saved: tuple[int, int] | None = None  # epoch, batch
        self._saved_at = 0.0
        self._failed = False

    def on_start(self, trainer: Trainer) -> None:
        """Learn whose state to keep."""
        self._trainer, self._saved = trainer, (trainer.epoch, trainer.batch)
        self._saved_at = time.monotonic()

    def on_epoch(self, record: EpochRecord) -> None:
        """Write one: the epoch's validation, or norm, was finite."""
        self._save()

    def between_updates(self) -> None:
        """Write one if it is time, or a stop was asked for: a signal's handler may not come back."""
        trainer = self._trainer
        assert trainer is not None
        due = self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds
        if (due or trainer.interruption.requested is not None) and trainer.is_finite():
            self._save()

    def on_end(self) -> None:
        """Write one of what was done since the last; not in the middle of an update, nor of what blew up."""
        trainer = self._trainer
        if trainer is None or not trainer.at_rest or (trainer.epoch, trainer.batch) == self._saved:
            return
        if trainer.is_finite():
            self._save()

    def _save(self) -> None:
        assert self._trainer is not None
        trainer, self._saved_at = self._trainer, time.monotonic()
        try:
            self._journal.sync()  # no checkpoint survives a power failure, or a full disk, that its journal doesn't
            # A team that couldn't be had has left its work to one
            about = replace(self._about, journal=self._journal.size, processes=trainer.processes)
            RunCheckpoint(self._path, about, snapshot(trainer)).save()
        except OSError as error:
            if not self._failed:
                log.warning(
                    f"no checkpoint after update {trainer.step:,}: {error_in_words(error)}; training goes on without"
                )
            self._failed = True
        else:
            self._saved, self._failed = (trainer.epoch, trainer.batch), False


def read_checkpoint(folder: Path, named: Path | None) -> RunCheckpoint | None:
    """Read the checkpoint named, or the folder's newest that is whole; None if there is none.

    Raises `DataError` if there are some, but none is whole.
    """
    if named is not None and named.name.endswith(".npz"):
        return RunCheckpoint.load(named)
    problem: DataError | None = None
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        if path.exists() or path.is_symlink():
            try:
                found = RunCheckpoint.load(path)
            except DataError as error:
                problem = problem or error
                continue
            if problem is not None:
                log.warning(f"{problem}; taking the one before")
            return found
    if problem is not None:
        raise problem
    return None
