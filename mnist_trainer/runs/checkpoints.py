"""When a run's checkpoints are written, and what they hold besides the trainer's state."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_trainer.errors import ConfigError, DataError, in_words
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.hyperparameters import picked
from mnist_trainer.journal.journal import Journal
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.records import EpochRecord
from mnist_trainer.training.state import Place, place_of, snapshot
from mnist_trainer.training.trainer import Callback, Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class About:
    """What a checkpoint's document says of the run."""

    run: str
    config: dict[str, Any]
    overrides: list[str]
    data: str  # the data set's digest
    processes: int  # that share every update: the last bits depend on it
    version: str
    journal: int  # its size in bytes


class Checkpoints(Callback):
    """Writes a checkpoint after every epoch, when training stops between two updates, and by the clock.

    One that can't be written (the disk is full, say) is told once; training goes on, and the one before stays.
    It has to come after the callback that writes the journal.
    """

    def __init__(
        self, folder: Path, journal: Journal, about: Mapping[str, object], *, minutes: float | None = None
    ) -> None:
        self._folder, self._journal, self._about = folder, journal, about
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
        """Write one if it is time."""
        assert self._trainer is not None
        due = self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds
        if due and self._trainer.is_finite():
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
            snapshot(trainer, **self._about, journal=self._journal.size).save(self._folder)
        except OSError as error:
            if not self._failed:
                log.warning(f"no checkpoint after update {trainer.step:,}: {in_words(error)}; training goes on without")
            self._failed = True
        else:
            self._saved, self._failed = (trainer.epoch, trainer.batch), False


def read_checkpoint(folder: Path, named: Path | None) -> tuple[Path | None, Checkpoint | None]:
    """Read the checkpoint named, or the folder's newest that is whole; None if there is none.

    Raises `DataError` if there are some, but none is whole.
    """
    if named is not None and named.name.endswith(".npz"):
        return named, Checkpoint.load(named)
    problem: DataError | None = None
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        if path.exists() or path.is_symlink():
            try:
                checkpoint = Checkpoint.load(path)
            except DataError as error:
                problem = problem or error
                continue
            if problem is not None:
                log.warning(f"{problem}; taking the one before")
            return path, checkpoint
    if problem is not None:
        raise problem
    return None, None


def told(path: Path | None, checkpoint: Checkpoint) -> tuple[About, Place]:
    """Return what a checkpoint's document says of the run, and where in it it was taken; raises `DataError`."""
    try:
        return picked(About, checkpoint.document), place_of(checkpoint.document)
    except (ConfigError, DataError) as error:
        raise DataError(f"{path}: {error}") from error
