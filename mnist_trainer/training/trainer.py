"""The training loop, and the hooks that it calls."""

import logging
import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mnist_trainer.data.batches import Batches
from mnist_trainer.errors import DivergedError, NoTeamError
from mnist_trainer.kernels import updates
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.kernels.subnormals import subnormals_as_zeros
from mnist_trainer.losses.loss import Loss, loss_value
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.schedules import Schedule
from mnist_trainer.training import clipping
from mnist_trainer.training.averaging import WeightAverage
from mnist_trainer.training.blame import blame_user_code
from mnist_trainer.training.clipping import ClipNorm
from mnist_trainer.training.divergence import Batch, Diverged, find_divergence
from mnist_trainer.training.interruption import Interruption
from mnist_trainer.training.records import EpochRecord, Evaluation, RunningMeans, Update, UpdateRecord
from mnist_trainer.training.team import Team
from mnist_trainer.training.worker import LoneWorker, Worker

AUGMENTATION = "augmentation"
"""The name of its generator."""

log = logging.getLogger(__name__)

Hook = Literal["on_start", "on_update", "on_record", "on_epoch", "on_end"]


class Callback:
    """Hooks that do nothing; the trainer calls them in the callbacks' order."""

    def on_start(self, trainer: "Trainer") -> None:
        """Before the first update."""

    def on_update(self, samples: int) -> None:
        """After every update, with the batch's size: keep it quick."""

    def on_record(self, record: UpdateRecord) -> None:
        """Every `log_every` updates and at an epoch's end."""

    def on_epoch(self, record: EpochRecord) -> None:
        """After an epoch's validation."""

    def on_end(self) -> None:
        """After the last epoch, or when training stops for whatever reason."""


@dataclass(eq=False)
class Trainer:
    """Fits a model to training batches, validating after each epoch; all that it is told is in its fields.

    `clip_norm` is the largest Euclidean norm that a gradient may have, as `clipping` tells. `patience` stops after that
    many epochs without a better validation, judged by its accuracy (ties by its loss), or with `by_loss` the other way
    round.
    """

    model: Sequential
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    learning_rate: float
    train: Batches
    validation: Batches
    epochs: int
    log_every: int = 50
    clip_norm: ClipNorm = None
    patience: int | None = None
    by_loss: bool = False
    ema_decay: float | None = None
    """What is validated and tested is the moving average of the weights, with this decay; None: the weights."""
    loss_name: str = ""
    """As configurations call the loss, for messages; its class's name if it isn't given."""
    callbacks: Sequence[Callback] = ()
    processes: int = 1
    """How many processes share every update of `fit` and `updates`; more than 1 only where `team.can_share` says so.

    The others work with the optimizer's hyperparameters as they are at the beginning."""
    or_alone: bool = False
    """Whether this process goes on alone, and says so, where the system doesn't grant the others."""
    interruption: Interruption = field(default_factory=Interruption)

    step: int = field(default=0, init=False)
    norms: float = field(default=0.0, init=False)
    """The sum of all updates' gradients' norms, as `clipping` counts them."""
    epoch: int = field(default=0, init=False)
    """Whole epochs, with their validation."""
    batch: int = field(default=0, init=False)
    """Batches of the epoch at hand."""
    at_rest: bool = field(default=True, init=False)
    """Whether all that a checkpoint takes fits together: not while an update, or an epoch's end, is under way."""
    seconds: float = field(default=0.0, init=False)
    """Time spent in whole epochs, without validation."""
    has_diverged: bool = field(default=False, init=False)
    """Whether a loss or a gradient was not finite: nothing learned since the last epoch is to be saved then."""
    best: EpochRecord | None = field(default=None, init=False)
    last: EpochRecord | None = field(default=None, init=False)
    average: WeightAverage | None = field(init=False, repr=False)
    best_arrays: dict[str, Array] = field(init=False, repr=False)
    """What was `learned` at the best validation; before the first one, the initial arrays."""
    means: RunningMeans = field(default_factory=RunningMeans, init=False, repr=False)
    """Over the epoch at hand."""
    since_record: RunningMeans = field(default_factory=RunningMeans, init=False, repr=False)
    epoch_seconds: float = field(default=0.0, init=False, repr=False)
    order: Mapping[str, Any] | None = field(default=None, init=False, repr=False)
    """The state of the batches' generator before the epoch at hand."""
    worker: Worker = field(init=False, repr=False)
    _gradient_norm: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the optimizer's state and the schedule's length fit the model and the data."""
        parameters = self.model.parameters
        self.loss_name = self.loss_name or type(self.loss).__name__
        self.optimizer.build(parameters.size, self.model.dtype, parameters.decayed)
        self.schedule.build(self.epochs * len(self.train), len(self.train))
        self.average = None if self.ema_decay is None else WeightAverage(self.model, self.ema_decay)
        self.best_arrays = {name: array.copy() for name, array in self.learned.items()}
        self.order = state_of(self.train.generator)
        self.worker = LoneWorker(self.model, self.loss, self.optimizer)

    def fit(self) -> None:
        """Train for `epochs`, or until patience ends.

        Raises `DivergedError` at the first loss or gradient that isn't finite, `Interrupted` after the update during
        which a stop was asked for.
        """
        for _ in self.updates():
            pass

    def updates(self) -> Generator[Update, None, None]:
        """Train as `fit` does, with a pause after each update, so that several trainers can take turns.

        The time of the pauses isn't counted.
        """
        with self.together():
            try:
                self._tell("on_start", self)
                while not self.ended:
                    yield from self._updates_of_epoch()
                    self._end_epoch()
                    self.interruption.rest()
            except DivergedError:
                if self.since_record.samples:  # the curve goes on to the last update that was one
                    self._record()
                raise
            finally:
                self._tell("on_end")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let `processes` processes share every `update` within the block, and take subnormal numbers for zeros.

        So does all that this thread computes within it; other threads, as those of a large matrix product, don't.
        Raises `NoTeamError` where they can't be had, unless it may go on `or_alone`; `processes` is 1 then.
        """
        alone = self.worker
        with subnormals_as_zeros(), ExitStack() as team:
            if self.processes > 1:
                try:
                    self.worker = team.enter_context(Team(self.model, self.loss, self.optimizer, self.processes))
                except NoTeamError as error:
                    if not self.or_alone:
                        raise
                    log.warning(f"{error}; this one trains alone")
                    self.processes = 1
            try:
                yield
            finally:
                self.worker = alone

    @property
    def learned(self) -> Mapping[str, Array]:
        """What is validated, tested and kept: the model's arrays, or their averages, by name."""
        return self.model.arrays if self.average is None else self.average.arrays

    @property
    def generators(self) -> Mapping[str, np.random.Generator]:
        """What draws at random in an update, by name: the layers' generators, and the augmentation's."""
        augmenter = self.train.augmenter
        return {**self.model.generators, **({} if augmenter is None else {AUGMENTATION: augmenter.generator})}

    @property
    def ended(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        impatient = self.patience is not None and self.best and self.epoch - self.best.epoch >= self.patience
        return bool(impatient) or self.epoch >= self.epochs

    def _updates_of_epoch(self) -> Iterator[Update]:
        started = time.perf_counter()
        self.at_rest = False  # to draw a batch's augmentation moves its generator on
        for x, labels in self.train.starting_at(self.batch):
            loss, correct = self.update(x, labels)
            self.batch += 1
            for mean in (self.means, self.since_record):
                mean.add(loss, correct, len(labels), self.loss.clamped_rows)
            self._tell("on_update", len(labels))
            if self._is_record(self.step):
                self._record()
            self.epoch_seconds += time.perf_counter() - started
            self.at_rest = True
            yield Update(x, labels, loss, correct)
            self.interruption.rest()
            self.at_rest = False
            started = time.perf_counter()
        self.at_rest = True
        self.epoch_seconds += time.perf_counter() - started

    def _end_epoch(self) -> None:
        validation = self.evaluate(self.validation) if len(self.validation) else None
        if validation is not None:
            self.check_finite("the validation loss", validation.loss, self.validation)
        self.check_finite("the parameters' norm", self.parameters_norm())  # a ReLU may hide one from the loss
        best = validation is not None and validation.is_better_than(
            self.best.validation if self.best else None, by_loss=self.by_loss
        )
        self.at_rest = False
        means, seconds, epoch = self.means, self.epoch_seconds, self.epoch + 1
        record = EpochRecord(
            epoch=epoch,
            epochs=self.epochs,
            step=self.step,
            train_loss=means.loss,
            train_accuracy=means.accuracy,
            validation=validation,
            best=best,
            learning_rate=self.rate(self.step - 1),
            seconds=seconds,
            samples_per_second=means.samples / seconds,
        )
        self.last = record
        if record.best:
            self.best = record
            copy_arrays(self.learned, into=self.best_arrays)
        self.seconds += seconds
        self.epoch, self.batch, self.means, self.epoch_seconds = epoch, 0, RunningMeans(), 0.0
        self.order = state_of(self.train.generator)
        self._tell("on_epoch", record)
        self.at_rest = True

    @np.errstate(over="ignore", invalid="ignore")  # it looks at every loss, and costs 0.6 µs
    def update(self, x: Array, labels: Indices) -> tuple[float, int]:
        """Do one update on a batch; return its mean loss and its number of right predictions, both before it."""
        try:
            loss, correct, _ = self.worker.gradients(x, labels)
        except Exception as error:
            raise blame_user_code(error, self.model, self.loss, x, labels) from error
        self.check_finite("the loss", loss, [(x, labels)], training=True)
        norm = self.worker.norm()
        self.check_finite("the gradient's norm", norm, [(x, labels)], training=True)
        self._gradient_norm = norm
        typical = self.norms / self.step if self.step else None
        self.norms += clipping.norm_for_typical(norm, typical)
        scale = clipping.clip_scale(norm, clipping.clip_limit(self.clip_norm, typical))
        self.worker.step(self.rate(self.step), scale)
        self.step += 1
        if self.average is not None:
            self.average.follow(self.step)
        return loss, correct

    def evaluate(self, batches: Batches) -> Evaluation:
        """Return the mean loss, the accuracy and the confusion counts of what was `learned`, over all batches.

        Raises `Interrupted` after the batch during which a stop was asked for.
        """
        with self._learned_in_model():
            return self._evaluate_model(batches)

    @contextmanager
    def _learned_in_model(self) -> Iterator[None]:
        """Let the model have what it `learned` within the block; while that is exchanged, nothing is at rest."""
        if self.average is None:
            yield
            return
        at_rest, self.at_rest = self.at_rest, False
        try:
            with self.average.in_model():
                yield
        finally:
            self.at_rest = at_rest and self.average.apart

    @np.errstate(over="ignore", invalid="ignore")
    def _evaluate_model(self, batches: Batches) -> Evaluation:
        mean, classes = RunningMeans(), self.model.out_shape[0]
        confusion = np.zeros(classes * classes, np.int64)
        for x, labels in batches:
            try:
                predictions = self.model.forward(x, training=False)
                loss = loss_value(self.loss, predictions, labels)
            except Exception as error:
                raise blame_user_code(error, self.model, self.loss, x, labels) from error
            predicted = predictions.argmax(axis=1)
            mean.add(loss, int(np.count_nonzero(predicted == labels)), len(labels))
            confusion += np.bincount(labels * classes + predicted, minlength=classes * classes)
            self.interruption.check()
        return Evaluation(mean.loss, mean.accuracy, confusion.reshape(classes, classes))

    def restore_best(self) -> None:
        """Give the model what had been `learned` at the best validation, and let that be its average, too."""
        for arrays in (self.model.arrays, self.learned):
            copy_arrays(self.best_arrays, into=arrays)

    def check_finite(self, what: str, value: float, batches: Iterable[Batch] = (), *, training: bool = False) -> None:
        """Raise `DivergedError` if `what`, which was computed on these `batches`, is not finite.

        In `training` these are those of the step at hand.
        """
        if not math.isfinite(value):
            self.at_rest, self.has_diverged = False, True
            raise self._diverged(what, value, batches, training=training)

    def _diverged(self, what: str, value: float, batches: Iterable[Batch], *, training: bool) -> DivergedError:
        """Return the error that says at which step, and where, numbers stopped being finite."""
        with nullcontext() if training or not batches else self._learned_in_model():
            found = find_divergence(self.model, self.loss, batches, training=training)
        found = found or Diverged("unknown", "no layer shows it again")
        step = self.step + (training and not found.learned)
        rate = self.rate(max(step - 1, 0))
        advice = "try a smaller optimizer.lr" + (", or trainer.clip_norm=1" if self.clip_norm is None else "")
        return DivergedError(
            f"diverged at step {step}: {what} is {value}: {found.words}; the loss mode is {self.loss_name}, the "
            f"learning rate {rate:g}; {advice}",
            {"step": step, "layer": found.layer, "learning_rate": rate, "loss": self.loss_name},
        )

    def is_finite(self) -> bool:
        """Whether all parameters are finite."""
        return math.isfinite(self.parameters_norm())

    def parameters_norm(self) -> float:
        """Return the parameters' Euclidean norm."""
        return updates.vector_norm(self.model.parameters.values)

    def _record(self) -> None:
        mean, self.since_record = self.since_record, RunningMeans()
        self._tell(
            "on_record",
            UpdateRecord(
                step=self.step,
                loss=mean.loss,
                accuracy=mean.accuracy,
                learning_rate=self.rate(self.step - 1),
                gradient_norm=self._gradient_norm,
                clamped_rows=mean.clamped_rows,
            ),
        )

    def _is_record(self, step: int) -> bool:
        return step % self.log_every == 0 or step % len(self.train) == 0

    def rate(self, step: int) -> float:
        """Return the learning rate of the update after `step` others."""
        return self.learning_rate * self.schedule.factor(step)

    def _tell(self, hook: Hook, *arguments: object) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)


def state_of(generator: np.random.Generator | None) -> Mapping[str, Any] | None:
    """Return the state of a generator, if there is one, as plain numbers and words."""
    return None if generator is None else generator.bit_generator.state


def copy_arrays(arrays: Mapping[str, Array], *, into: Mapping[str, Array]) -> None:
    """Copy arrays into others of the same names."""
    for name, array in arrays.items():
        np.copyto(into[name], array)
