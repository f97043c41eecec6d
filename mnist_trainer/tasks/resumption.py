"""resume=: a run that was interrupted, taken up where its checkpoint was taken, in its own folder."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from mnist_trainer.analysis.sweep.jobs import OUTCOME, planned
from mnist_trainer.composition import restored
from mnist_trainer.config import Config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.tasks.changes import changed
from mnist_trainer.tasks.runs import CONFIG
from mnist_trainer.tasks.shipping import Tracked, shown
from mnist_trainer.tracking import unsent
from mnist_trainer.tracking.address import resolve_uri
from mnist_trainer.tracking.cutting import cut_back
from mnist_trainer.tracking.journal import FILE as JOURNAL
from mnist_trainer.tracking.journal import Event, Journal, RunRecord, read_start
from mnist_trainer.training.checkpoint import FILE, PREVIOUS, Checkpoint
from mnist_trainer.training.state import restore
from mnist_trainer.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Resumption:
    """A run to go on with; `checkpoint` is None if it was killed before its first one, `start` before its journal's."""

    journal: Journal
    start: Event | None
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
        if not (folder / JOURNAL).exists() and any((folder / name).exists() for name in (FILE, PREVIOUS)):
            raise DataError(f"{folder / JOURNAL}: missing; a checkpoint can't go on without it: start a new run")
        journal = Journal(folder, reopened=True)
        try:
            start = read_start(folder)
            named = Path(resume)
            path, checkpoint = read_checkpoint(folder, named if named.is_file() else None)
            if checkpoint is None:
                values, own = read_config(folder / CONFIG), planned(folder)
            else:
                values, own = checkpoint.document["config"], checkpoint.document["overrides"]
                if start is None or checkpoint.document["run"] != start["run"]:
                    raise DataError(f"{path}: a checkpoint of another run than the journal beside it")
            config = restored(values)
            overrides, changes = changed(config, own, given)
            if checkpoint is not None:
                check_epochs(config, checkpoint.document["trainer"])
            return cls(journal, start, path, checkpoint, config, overrides, changes)
        except BaseException:
            journal.close()
            raise

    @property
    def step(self) -> int:
        """How many updates are done."""
        return 0 if self.checkpoint is None else int(self.checkpoint.document["trainer"]["step"])

    @property
    def tracked(self) -> Tracked:
        """How the run is tracked: as before, but for what is changed."""
        tracking, store_folder = self.config.tracking, Path(self.config.outputs).absolute()
        if self.start is not None:
            if "tracking.uri" not in self.changes:
                tracking = replace(tracking, uri=self.start["uri"])
            if "outputs" not in self.changes and Path(self.start["store_folder"]).is_dir():  # not moved since
                store_folder = Path(self.start["store_folder"])
        return Tracked(tracking, store_folder)

    def record(self, tracked: Tracked, experiment: str) -> RunRecord:
        """Return what the journal says of the run: the same run as before."""
        if self.start is None:
            return tracked.record("run", experiment=experiment, name=self.config.name, parent=None)
        same = {key: self.start[key] for key in ("run", "kind", "experiment", "name", "parent", "start_time")}
        return RunRecord(**same, uri=tracked.config.uri, mode=tracked.mode, store_folder=str(tracked.store_folder))

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

    def begin(self, record: RunRecord) -> None:
        """Cut the journal back and write that the run goes on; take away what tells of its end, and half files.

        A shipper that is started after that knows where the run goes from now on.
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
            if record.mode == "off" or record.store_folder != self.start["store_folder"]:
                unsent.strike(Path(self.start["store_folder"]), record.run)  # where it was entered before
        if self.checkpoint is not None and self.path is not None:
            self._keep(self.path, self.checkpoint)

    def _keep(self, path: Path, checkpoint: Checkpoint) -> None:
        """See that it is the folder's newest, as the run goes on from now on: it may die before its first own one."""
        newest = self.journal.folder / FILE
        if path.resolve() != newest.resolve():
            newest.unlink(missing_ok=True)  # it lies beyond the journal's end
        elif not self.changes:
            return
        now = {"config": asdict(self.config), "overrides": list(self.overrides), "journal": self.journal.size}
        self.journal.sync()
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


def read_checkpoint(folder: Path, named: Path | None) -> tuple[Path | None, Checkpoint | None]:
    """Read the checkpoint named, or the folder's newest that is whole; None if there is none.

    Raises `DataError` if there are some, but none is whole.
    """
    if named is not None and named.name.endswith(".npz"):
        return named, Checkpoint.load(named)
    problem: DataError | None = None
    for path in (folder / FILE, folder / PREVIOUS):
        if path.exists():
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


def read_config(path: Path) -> Mapping[str, Any]:
    """Read a run's resolved configuration; raises `DataError` naming the file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a readable configuration: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a configuration")
    return values


def check_epochs(config: Config, then: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if the run has done more epochs than it is to have."""
    begun = int(then["epoch"]) + bool(then["batch"])
    if config.epochs < begun:
        raise ConfigError(f"epochs={config.epochs}: the run is in its epoch {begun} already")
