"""task=train: train a model, evaluate it on the official test set, and track the run."""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from mnist_trainer import __version__
from mnist_trainer.build import build_data, check_config
from mnist_trainer.config import Config
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import DiskError
from mnist_trainer.tasks.assembly import build_trainer
from mnist_trainer.tasks.checkpointing import Checkpoints
from mnist_trainer.tasks.description import describe
from mnist_trainer.tasks.journaling import journaled
from mnist_trainer.tasks.outcome import write_outcome
from mnist_trainer.tasks.processes import cores_for
from mnist_trainer.tasks.resumption import Resumption, tracked_in
from mnist_trainer.tasks.shipping import shipped
from mnist_trainer.tracking.callback import JournalCallback
from mnist_trainer.tracking.journal import Journal, RunRecord
from mnist_trainer.training.callbacks import Console, ParameterFiles
from mnist_trainer.training.interruption import Interruption
from mnist_trainer.training.records import Update
from mnist_trainer.training.trainer import Callback, Trainer

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


def train(
    config: Config,
    folder: Path,
    *,
    parent: str | None = None,
    alone: bool = True,
    overrides: Sequence[str] = (),
    resumption: Resumption | None = None,
) -> Result:
    """Train as the configuration says, into a run's folder that exists; `parent` is the sweep that it belongs to.

    `alone` is false when other runs share the terminal: then there is no table, and one line at the end. `overrides`
    are what led to the configuration, for a later resume; `resumption` is that of the run whose folder it is.
    Raises `ConfigError` and `DataError` before anything is written, `DivergedError`, and `Interrupted` after a signal.
    """
    check_config(config)
    tracked = resumption.tracked if resumption else tracked_in(folder.parent if parent else None, config)
    tracked.check()
    dataset = build_data(config.data)
    trainer, test = build_trainer(config, dataset)
    if parent is None:  # a sweep has asked, for all its jobs
        tracked.require(dataset.name)
    kept = resumption.processes if resumption else None
    cores = cores_for(config.trainer, trainer, alone=alone, kept=kept)
    trainer.processes = cores.processes
    if resumption is not None:
        resumption.restore(trainer, dataset)
        record = resumption.record(tracked, dataset.name, parent)
        resumption.describe(trainer)
        resumption.begin(record, trainer.processes)
    else:
        record = tracked.record("run", experiment=dataset.name, name=config.name, parent=parent)
    if alone:
        describe(config, dataset, trainer, with_model=parent is None and resumption is None)
    shipper = shipped(tracked, folder) if parent is None else nullcontext()  # a sweep's shipper serves all its jobs
    console = [Console(bar=config.trainer.progress)] if alone else []
    run = Run(config, folder, dataset, trainer, test, record, overrides, resumption)
    with shipper, threadpool_limits(cores.threads, "blas"), Interruption() as trainer.interruption:
        result = completed(run.updates(console, on_its_own=True))
        run.tell(result)
    return result


@dataclass(frozen=True)
class Run:
    """A training run that is about to begin in a folder of its own: all that it is made of."""

    config: Config
    folder: Path
    dataset: Dataset
    trainer: Trainer
    test: Batches
    record: RunRecord
    overrides: Sequence[str] = ()
    resumption: Resumption | None = None

    def updates(
        self, callbacks: Sequence[Callback] = (), *, on_its_own: bool = False
    ) -> Generator[Update, None, Result]:
        """Train with a pause after each update, test, and keep the journal; return what it came to.

        A run `on_its_own`, that is no part of a comparison, has checkpoints, and its result in `outcome.json`. What is
        thrown into a pause ends the run, as it would between two updates.
        """
        config, trainer = self.config, self.trainer
        held = trainer.validation.samples
        journaling = journaled(
            config, self.folder, self.dataset, self.record, validation_size=held, resumption=self.resumption
        )
        with journaling as journal:
            journal_callback = JournalCallback(journal)
            parameter_files = ParameterFiles(self.folder)
            trainer.callbacks = [*callbacks, journal_callback, parameter_files]
            if on_its_own:
                yield from self._with_checkpoints(journal)
            else:
                yield from trainer.updates()
            tested = trainer.last
            if config.trainer.restore_best and trainer.best is not None:
                trainer.restore_best()
                tested = trainer.best
            assert tested is not None
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
            )
            try:
                parameter_files.check()
                if on_its_own:  # while the journal's lock is held: nobody takes the run for one that might go on
                    journal.sync()  # no result without its journal
                    write_outcome(self.folder, "FINISHED", None, self.overrides, asdict(result))
            except (DiskError, OSError):
                self.tell(result)  # so much is known
                raise
        return result

    def _with_checkpoints(self, journal: Journal) -> Iterator[Update]:
        about = {
            "run": self.record.run,
            "config": asdict(self.config),
            "overrides": list(self.overrides),
            "data": self.dataset.digest,
            "processes": self.trainer.processes,
            "version": __version__,
        }
        checkpoints = Checkpoints(self.folder, journal, about, minutes=self.config.trainer.checkpoint_minutes)
        self.trainer.callbacks = [*self.trainer.callbacks, checkpoints]
        with closing(self.trainer.updates()) as updates:
            for update in updates:
                yield update
                checkpoints.between_updates()

    def tell(self, result: Result) -> None:
        """Log what it came to."""
        log.info(
            f"{result.name}: test loss {result.test_loss:.4f}, accuracy {result.test_accuracy:.2%} "
            f"({self.test.samples:,} images of {result.data}), after {result.training_seconds:.1f} s of training"
        )


def completed(updates: Generator[Any, None, R]) -> R:
    """Go through all pauses; return what the generator returns."""
    while True:
        try:
            next(updates)
        except StopIteration as end:
            result: R = end.value
            return result
