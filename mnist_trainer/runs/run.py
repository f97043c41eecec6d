"""A training run in its folder, from its first update to its result."""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from mnist_trainer import __version__
from mnist_trainer.config import Config
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import DiskError
from mnist_trainer.journal.callback import JournalCallback
from mnist_trainer.journal.events import Register, Start
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.checkpoints import CheckpointedRun, Checkpoints
from mnist_trainer.runs.learned import journal_model, write_learned
from mnist_trainer.runs.outcome import write_outcome
from mnist_trainer.runs.record import journaled, mode_colour_tag
from mnist_trainer.runs.resumption import Resumption
from mnist_trainer.training.callbacks import ParameterFiles
from mnist_trainer.training.judgement import judge_run, run_ending
from mnist_trainer.training.records import EpochRecord, Update
from mnist_trainer.training.trainer import Callback, Trainer
from mnist_trainer.words import glued_words, wrapped

log = logging.getLogger(__name__)
R = TypeVar("R")


@dataclass(frozen=True)
class Result:
    """What a finished run came to."""

    run: str  # in MLflow the tag mnist_trainer.run
    name: str
    data: str
    loss: str  # loss.name
    seed: int
    updates: int
    epochs: int
    training_seconds: float  # without validation and test
    validation_loss: float | None  # of the epoch whose parameters were tested
    validation_accuracy: float | None
    test_loss: float
    test_accuracy: float
    parameters: int | None = None  # older outcome files don't tell
    folder: str | None = None  # the run's; not in its outcome.json, which moves with it

    @property
    def told(self) -> dict[str, Any]:
        """What `outcome.json` and `model.npz` say of it."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


@dataclass(frozen=True)
class Run:
    """A training run that is about to begin in a folder of its own: all that it is made of."""

    config: Config
    folder: Path
    dataset: Dataset
    trainer: Trainer
    test: Batches
    record: Start
    overrides: Sequence[str] = ()
    resumption: Resumption | None = None
    coloured: bool = True
    """Whether it has its loss mode's colour in MLflow, rather than one that tells it from others of the mode."""
    judges: Sequence[Callback] = ()
    """Who may end it after an epoch, when all that is to be kept of that is written."""

    def updates(
        self, callbacks: Sequence[Callback] = (), *, on_its_own: bool = False
    ) -> Generator[Update, None, Result]:
        """Train with a pause after each update, test, and keep the journal; return what it came to.

        A run `on_its_own`, that is no part of a comparison, has checkpoints, and its result in `outcome.json`. What is
        thrown into a pause ends the run, as it would between two updates.
        """
        config, trainer = self.config, self.trainer
        journaling = journaled(
            config,
            self.folder,
            self.dataset,
            self.record,
            trainer=trainer,
            tags=mode_colour_tag(config.loss.name) if self.coloured else {},
            resumption=self.resumption,
        )
        with journaling as journal:
            journal_callback = JournalCallback(journal)
            parameter_files = ParameterFiles(self.folder)
            trainer.callbacks = [*callbacks, journal_callback, parameter_files]
            if on_its_own:
                yield from self._with_checkpoints(journal)
            else:
                yield from trainer.updates()
            if config.trainer.restore_best and trainer.best is not None:
                trainer.restore_best()
            tested = self.tested
            evaluation = trainer.evaluate(self.test)
            trainer.check_finite("the test loss", evaluation.loss, self.test)
            trainer.interruption.check()
            journal_callback.test(trainer.step, evaluation, list(self.dataset.class_names))
            result = Result(
                run=self.record.run,
                name=config.name,
                data=self.dataset.name,
                loss=config.loss.name,
                seed=config.seed,
                updates=trainer.step,
                epochs=trainer.step // len(trainer.train),
                training_seconds=trainer.seconds,
                validation_loss=tested.validation.loss if tested.validation else None,
                validation_accuracy=tested.validation.accuracy if tested.validation else None,
                test_loss=evaluation.loss,
                test_accuracy=evaluation.accuracy,
                parameters=trainer.model.parameters.size,
                folder=str(self.folder),
            )
            try:
                parameter_files.check()
                described = write_learned(self.folder, trainer, self.dataset, result.told, config.data)
                if described is not None and config.tracking.model:
                    journal_model(journal, described)
                    if config.tracking.register is not None and self.record.parent is None:  # a sweep chooses its best
                        name, alias = config.tracking.register, config.tracking.alias
                        journal.write(Register(run=result.run, name=name, alias=alias))
                if on_its_own:  # while the journal's lock is held: nobody takes the run for one that might go on
                    journal.sync()  # no result without its journal
                    write_outcome(self.folder, "FINISHED", None, self.overrides, result.told)
            except (DiskError, OSError):
                self.tell(result)  # so much is known
                raise
        return result

    def _with_checkpoints(self, journal: Journal) -> Iterator[Update]:
        about = CheckpointedRun(
            run=self.record.run,
            config=asdict(self.config),
            overrides=list(self.overrides),
            data=self.dataset.digest,
            version=__version__,
            processes=self.trainer.processes,
            journal=journal.size,
        )
        checkpoints = Checkpoints(journal, about, minutes=self.config.trainer.checkpoint_minutes)
        self.trainer.callbacks = [*self.trainer.callbacks, checkpoints, *self.judges]
        with closing(self.trainer.updates()) as updates:
            for update in updates:
                yield update
                checkpoints.between_updates()

    @property
    def tested(self) -> EpochRecord:
        """The epoch, of those that are done, whose parameters the test is for."""
        best = self.trainer.best if self.config.trainer.restore_best else None
        tested = best or self.trainer.last
        assert tested is not None
        return tested

    def tell(self, result: Result) -> None:
        """Log what it came to, and what is to be said of a run that learned nothing."""
        figures = glued_words(f"{result.name}: test loss {result.test_loss:.4f}, accuracy {result.test_accuracy:.2%}")
        after = glued_words(f"after {result.training_seconds:.1f} s of training")
        log.info(wrapped(f"{figures} ({self.test.samples:,} images of {result.data}), {after}"))
        if said := judge_run(run_ending(self.trainer, self.tested, self.dataset.labels)):
            log.warning(said)


def run_to_end(updates: Generator[Any, None, R]) -> R:
    """Go through all pauses; return what the generator returns."""
    while True:
        try:
            next(updates)
        except StopIteration as end:
            result: R = end.value
            return result
