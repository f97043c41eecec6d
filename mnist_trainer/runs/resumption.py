"""resume=: a run that was interrupted, taken up where its checkpoint was taken, in its own folder."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mnist_trainer.config import Config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import ConfigError, DataError, as_data_errors
from mnist_trainer.files import CHECKPOINT, CONFIG, JOURNAL, OUTCOME, PREVIOUS
from mnist_trainer.journal import unsent
from mnist_trainer.journal.address import resolve_uri
from mnist_trainer.journal.events import Start
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import read_start
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.runs.changes import changed
from mnist_trainer.runs.checkpoints import RunCheckpoint, read_checkpoint
from mnist_trainer.runs.cutting import cut_back
from mnist_trainer.runs.folder import overrides_of_planned_run, read_run_config
from mnist_trainer.runs.tracked import Tracked
from mnist_trainer.shipping.place import Place
from mnist_trainer.training.state import State, restore
from mnist_trainer.training.trainer import Trainer
from mnist_trainer.words import shown

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Resumption:
    """A run to go on with; `checkpoint` is None if it was killed before its first one, `start` before its journal's."""

    journal: Journal
    start: Start | None
    checkpoint: RunCheckpoint | None
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
            checkpoint = read_checkpoint(folder, named if named.is_file() else None)
            if checkpoint is None:
                config, own = read_run_config(folder / CONFIG), overrides_of_planned_run(folder)
            elif start is None or checkpoint.about.run != start.run:
                raise DataError(f"{checkpoint.path}: a checkpoint of another run than the journal beside it")
            else:
                config, own = checkpoint.config(), checkpoint.about.overrides
            config, overrides, changes = changed(config, own, given)
            if checkpoint is not None:
                check_epochs(config, checkpoint.state)
            return cls(journal, start, checkpoint, config, overrides, changes)
        except BaseException:
            journal.close()
            raise

    @property
    def step(self) -> int:
        """How many updates are done."""
        return 0 if self.checkpoint is None else self.checkpoint.state.step

    @property
    def processes(self) -> int | None:
        """How many processes shared the updates, on which their last bits depend; None if that is anew to be told."""
        if self.checkpoint is None or "trainer.threads" in self.changes:
            return None
        return self.checkpoint.about.processes

    @property
    def tracked(self) -> Tracked:
        """How the run is tracked: as before, but for what is changed."""
        return Tracked.as_before(self.config.tracking, self.config.outputs, self.start, self.changes)

    def record(self, tracked: Tracked, place: Place, parent: str | None) -> Start:
        """Return what the journal says of the run: the same run as before."""
        if self.start is None:
            return tracked.record("run", place=place, name=self.config.name, parent=parent)
        return tracked.again(self.start)

    def restore(self, trainer: Trainer, dataset: Dataset) -> None:
        """Bring the trainer to where the checkpoint was taken; raises `DataError` if they don't fit."""
        if self.checkpoint is None:
            return
        with as_data_errors(self.checkpoint.path):
            then = self.checkpoint.about.data
            if dataset.digest != then:
                raise DataError(f"the run was on other data: their digest was {then}, and is {dataset.digest}")
            restore(trainer, self.checkpoint.state)
        if type(trainer.optimizer).state is Optimizer.state:
            log.warning(f"{type(trainer.optimizer).__name__} tells no state(): if it has any, it begins anew")

    def begin(self, record: Start, processes: int) -> None:
        """Cut the journal back and write that the run goes on; take away what tells of its end, and half files.

        A shipper that is started after that knows where the run goes from now on. `processes` share the updates.
        """
        size = None if self.checkpoint is None else self.checkpoint.about.journal
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
        if self.checkpoint is not None:
            self._keep(self.checkpoint, processes)

    def _keep(self, checkpoint: RunCheckpoint, processes: int) -> None:
        """See that it is the folder's newest, as the run goes on from now on: it may die before its first own one."""
        newest = self.journal.folder / CHECKPOINT
        if checkpoint.path.resolve() != newest.resolve():
            newest.unlink(missing_ok=True)  # it lies beyond the journal's end
        elif not self.changes:
            return
        self.journal.sync()
        about = replace(
            checkpoint.about,
            config=asdict(self.config),
            overrides=list(self.overrides),
            processes=processes,
            journal=self.journal.size,
        )
        replace(checkpoint, path=newest, about=about).save()

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


def check_epochs(config: Config, state: State) -> None:
    """Raise `ConfigError` if the run has done more epochs than it is to have."""
    begun = state.epoch + bool(state.batch)
    if config.epochs < begun:
        raise ConfigError(f"epochs={config.epochs}: the run is in its epoch {begun} already")
