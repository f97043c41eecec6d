"""resume=: a run that was interrupted, taken up where its checkpoint was taken, in its own folder."""

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from mnist_trainer.composition import restored
from mnist_trainer.config import Config, TrackingConfig
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.files import CHECKPOINT, CONFIG, JOURNAL, MOST_YAML, OUTCOME, PREVIOUS, read_text
from mnist_trainer.journal import unsent
from mnist_trainer.journal.address import resolve_uri
from mnist_trainer.journal.events import Start
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import read_start
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.runs.changes import changed
from mnist_trainer.runs.checkpoints import read_checkpoint, told
from mnist_trainer.runs.cutting import cut_back
from mnist_trainer.runs.folder import planned
from mnist_trainer.runs.tracked import Tracked
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.state import Place, restore
from mnist_trainer.training.trainer import Trainer
from mnist_trainer.words import shown

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Resumption:
    """A run to go on with; `checkpoint` is None if it was killed before its first one, `start` before its journal's."""

    journal: Journal
    start: Start | None
    path: Path | None  # of the checkpoint
    checkpoint: Checkpoint | None
    config: Config
    overrides: Sequence[str]
    changes: Mapping[str, object]
    """What the command line gives other values than before: of the keys that may change."""
    begun: bool = field(default=False, init=False)
    """Whether the run goes on, and what was cut off is gone."""

    @classmethod
    def prepared(cls, resume: str, folder: Path, given: Sequence[str]) -> "Resumption":
        """Read what there is of the run that `resume` named, and hold its journal's lock; nothing is changed.

        `given` are the command line's overrides. Raises `ConfigError` if they contradict the run's configuration,
        `DataError` if the checkpoint can't be used, and `TrackingError` if the run is still running.
        """
        if not (folder / JOURNAL).exists() and any((folder / name).exists() for name in (CHECKPOINT, PREVIOUS)):
            raise DataError(f"{folder / JOURNAL}: missing; a checkpoint can't go on without it: start a new run")
        journal = Journal(folder, reopened=True)
        try:
            start = read_start(folder)
            named = Path(resume)
            path, checkpoint = read_checkpoint(folder, named if named.is_file() else None)
            place: Place | None = None
            if checkpoint is None:
                values, own = read_config(folder / CONFIG), planned(folder)
            else:
                about, place = told(path, checkpoint)
                values, own = about.config, about.overrides
                if start is None or about.run != start.run:
                    raise DataError(f"{path}: a checkpoint of another run than the journal beside it")
            config = config_of(path or folder / CONFIG, values)
            config, overrides, changes = changed(config, own, given)
            if place is not None:
                check_epochs(config, place)
            return cls(journal, start, path, checkpoint, config, overrides, changes)
        except BaseException:
            journal.close()
            raise

    @property
    def step(self) -> int:
        """How many updates are done."""
        return 0 if self.checkpoint is None else int(self.checkpoint.document["trainer"]["step"])

    @property
    def processes(self) -> int | None:
        """How many processes shared the updates, on which their last bits depend; None if that is anew to be told."""
        if self.checkpoint is None or "trainer.threads" in self.changes:
            return None
        return int(self.checkpoint.document["processes"])

    @property
    def tracked(self) -> Tracked:
        """How the run is tracked: as before, but for what is changed."""
        return tracked_as_before(self.config.tracking, self.config.outputs, self.start, self.changes)

    def record(self, tracked: Tracked, experiment: str, parent: str | None) -> Start:
        """Return what the journal says of the run: the same run as before."""
        if self.start is None:
            return tracked.record("run", experiment=experiment, name=self.config.name, parent=parent)
        return same_run(self.start, tracked)

    def restore(self, trainer: Trainer, dataset: Dataset) -> None:
        """Bring the trainer to where the checkpoint was taken; raises `DataError` if they don't fit."""
        if self.checkpoint is None:
            return
        then = self.checkpoint.document["data"]
        if dataset.digest != then:
            raise DataError(f"{self.path}: the run was on other data: their digest was {then}, and is {dataset.digest}")
        try:
            restore(trainer, self.checkpoint)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error
        if type(trainer.optimizer).state is Optimizer.state:
            log.warning(f"{type(trainer.optimizer).__name__} tells no state(): if it has any, it begins anew")

    def begin(self, record: Start, processes: int) -> None:
        """Cut the journal back and write that the run goes on; take away what tells of its end, and half files.

        A shipper that is started after that knows where the run goes from now on. `processes` share the updates.
        """
        size = None if self.checkpoint is None else int(self.checkpoint.document["journal"])
        cut_back(self.journal, size, resolve_uri(self.tracked.config.uri, self.tracked.store_folder))
        self.begun = True
        for path in (self.journal.folder / OUTCOME, *self.journal.folder.glob(".*.npz.*")):
            path.unlink(missing_ok=True)
        if self.start is None:
            self.journal.start(record)
        else:
            self.journal.resume(record, self.step)
            self.journal.tags({f"changed.{key}": str(value) for key, value in self.changes.items()})  # params can't
            if record.mode == "off" or record.store_folder != self.start.store_folder:
                unsent.strike(Path(self.start.store_folder), record.run)  # where it was entered before
        if self.checkpoint is not None and self.path is not None:
            self._keep(self.path, self.checkpoint, processes)

    def _keep(self, path: Path, checkpoint: Checkpoint, processes: int) -> None:
        """See that it is the folder's newest, as the run goes on from now on: it may die before its first own one."""
        newest = self.journal.folder / CHECKPOINT
        if path.resolve() != newest.resolve():
            newest.unlink(missing_ok=True)  # it lies beyond the journal's end
        elif not self.changes:
            return
        self.journal.sync()
        now = {
            "config": asdict(self.config),
            "overrides": list(self.overrides),
            "processes": processes,
            "journal": self.journal.size,
        }
        Checkpoint(checkpoint.arrays, {**checkpoint.document, **now}).save(self.journal.folder)

    def describe(self, trainer: Trainer) -> None:
        """Log where the run goes on."""
        where = shown(self.journal.folder)
        if self.checkpoint is None:
            log.info(f"{where}: starts again: it ended before its first checkpoint")
        else:
            epoch = min(trainer.epoch + 1, trainer.epochs)
            log.info(f"{where}: goes on after update {trainer.step:,}, in epoch {epoch} of {trainer.epochs}")
        for key, value in self.changes.items():
            log.info(f"    with another value than before: {key}={value}")


def tracked_as_before(tracking: TrackingConfig, outputs: str, start: Start | None, changes: Container[str]) -> Tracked:
    """Return how a run, or a sweep, is tracked whose journal has this start: as before, but for the keys changed."""
    store_folder = Path(outputs).absolute()
    if start is not None:
        if "tracking.uri" not in changes:
            tracking = replace(tracking, uri=start.uri)
        if "outputs" not in changes and Path(start.store_folder).is_dir():  # not moved since
            store_folder = Path(start.store_folder)
    return Tracked(tracking, store_folder)


def tracked_in(sweep_folder: Path | None, config: Config) -> Tracked:
    """Return how a new run is tracked: as the sweep it belongs to, which may have begun elsewhere, says if any."""
    start = None if sweep_folder is None else read_start(sweep_folder)
    return tracked_as_before(config.tracking, config.outputs, start, ())


def same_run(start: Start, tracked: Tracked) -> Start:
    """Return what a reopened journal says: the run that it started with, as it is tracked now."""
    return replace(start, uri=tracked.config.uri, mode=tracked.mode, store_folder=str(tracked.store_folder))


def check_epochs(config: Config, place: Place) -> None:
    """Raise `ConfigError` if the run has done more epochs than it is to have."""
    begun = place.epoch + bool(place.batch)
    if config.epochs < begun:
        raise ConfigError(f"epochs={config.epochs}: the run is in its epoch {begun} already")


def read_config(path: Path) -> Mapping[str, Any]:
    """Read a run's resolved configuration; raises `DataError` naming the file."""
    try:
        values = yaml.load(read_text(path, MOST_YAML), PlainLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a readable configuration: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a configuration")
    return values


def config_of(path: Path, values: Mapping[str, Any]) -> Config:
    """Return the configuration that a run's file holds; raises `DataError` naming it if that isn't one."""
    try:
        return restored(values)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error


class PlainLoader(yaml.SafeLoader):
    """A safe loader without aliases, by which a few lines can stand for more than the memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; raises a `YAMLError` for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        return super().compose_node(parent, index)
