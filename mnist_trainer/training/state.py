"""A trainer's state, and back: what it takes to go on bit for bit.

The order of an epoch's batches follows from the state of their generator before the epoch, and the schedule from the
number of updates, so that neither is kept. In a checkpoint the state's arrays are arrays, and the rest is the document.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.hyperparameters import check, construct_hyperparameters, hyperparameter, picked_hyperparameters
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.records import EpochRecord, Evaluation, RunningMeans
from mnist_trainer.training.streams import check_generator_state, plain_state, state_from_plain
from mnist_trainer.training.trainer import Trainer, state_of

DOCUMENT = "trainer"
"""The state's key in a checkpoint's document."""
CONFUSION = "confusion"
NUMBERS = ("step", "epoch", "batch", "seconds", "epoch_seconds", "norms")
SUMS = ("means", "since_record")
RECORDS = ("best", "last")
MISFITS = (KeyError, TypeError, ValueError, ArithmeticError, RecursionError, ConfigError)
"""What content that isn't a trainer's leads to."""


@dataclass(frozen=True)
class State:
    """What a trainer's attributes of the same names are at a moment; generators' states are plain values here."""

    arrays: Mapping[str, NDArray[Any]]
    """The model's, those of its best validation, their averages, and the optimizer's: `model/0.weights`."""
    generators: Mapping[str, Any]
    """The states of the trainer's."""
    order: Mapping[str, Any] | None
    means: tuple[Any, ...]
    """`Mean.sums`."""
    since_record: tuple[Any, ...]
    best: EpochRecord | None
    last: EpochRecord | None
    step: int = hyperparameter(minimum=0)
    epoch: int = hyperparameter(minimum=0)
    batch: int = hyperparameter(minimum=0)
    seconds: float = hyperparameter(minimum=0)
    epoch_seconds: float = hyperparameter(minimum=0)
    norms: float = hyperparameter(0.0, minimum=0)  # 0 of older checkpoints, whose runs don't ask for it

    def __post_init__(self) -> None:
        """Check the ranges; raises `ConfigError`."""
        check(self)

    def checkpoint(self, **more: object) -> Checkpoint:
        """Return what is to be written; `more` goes into the document as it is."""
        arrays = dict(self.arrays)
        document: dict[str, Any] = {name: getattr(self, name) for name in (*NUMBERS, *SUMS, "order", "generators")}
        for name in RECORDS:
            record: EpochRecord | None = getattr(self, name)
            document[name] = None
            if record is not None:
                document[name] = asdict(replace(record, validation=None))
                if record.validation is not None:
                    arrays[f"{name}/{CONFUSION}"] = record.validation.confusion
                    document[name]["validation"] = [record.validation.loss, record.validation.accuracy]
        return Checkpoint(arrays, {DOCUMENT: document, **more})

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "State":
        """Return the state that a checkpoint holds; raises `DataError` if it holds none."""
        try:
            values: Mapping[str, Any] = checkpoint.document[DOCUMENT]
            made = {name: _plain_sums(values[name]) for name in SUMS} | {
                name: _record(values[name], checkpoint.arrays.get(f"{name}/{CONFUSION}")) for name in RECORDS
            }
            arrays = {name: array for name, array in checkpoint.arrays.items() if not name.endswith(f"/{CONFUSION}")}
            return picked_hyperparameters(cls, {**values, **made, "arrays": arrays})
        except MISFITS as error:
            raise _training_state_misfit(error) from error


def snapshot(trainer: Trainer) -> State:
    """Take the state of a trainer that is at rest, or tells of an epoch's end; the arrays are its own, not copies."""
    trainer.worker.collect()
    return State(
        arrays=dict(_arrays(trainer)),
        generators={name: plain_state(state_of(generator)) for name, generator in trainer.generators.items()},
        order=plain_state(trainer.order),
        **{name: getattr(trainer, name).sums for name in SUMS},
        **{name: getattr(trainer, name) for name in (*RECORDS, *NUMBERS)},
    )


def restore(trainer: Trainer, state: State) -> None:
    """Bring a trainer that was built from the same configuration to where the state was taken.

    Raises `DataError` if the state is that of another model or optimizer; the trainer is as it was then.
    """
    _check_arrays(trainer, state.arrays)
    _check_place(trainer, state)
    try:
        order = state_from_plain(state.order)
        states = {name: state_from_plain(state.generators[name]) for name in trainer.generators}
        for name, generator in trainer.generators.items():
            check_generator_state(generator, states[name])
        if trainer.train.generator is not None:
            check_generator_state(trainer.train.generator, order)
    except MISFITS as error:
        raise _training_state_misfit(error) from error
    for name in (*NUMBERS, *RECORDS):
        setattr(trainer, name, getattr(state, name))
    for name in SUMS:
        setattr(trainer, name, RunningMeans(*getattr(state, name)))
    for name, generator in trainer.generators.items():
        generator.bit_generator.state = states[name]
    trainer.order = order
    if trainer.train.generator is not None:
        trainer.train.generator.bit_generator.state = order
    for name, array in _arrays(trainer):
        np.copyto(array, state.arrays[name])


def _training_state_misfit(error: Exception) -> DataError:
    reason = str(error) if isinstance(error, ConfigError) else repr(error)
    return DataError(f"its content doesn't fit this version of mnist_trainer: {reason}")


def _plain_sums(values: Any) -> tuple[Any, ...]:
    samples, clamped_rows, loss, correct = values
    if not all(type(each) is int and each >= 0 for each in (samples, clamped_rows, correct)) or type(loss) is not float:
        raise ValueError(f"{values} are no sums over samples")
    return samples, clamped_rows, loss, correct


def _record(values: Any, confusion: NDArray[Any] | None) -> EpochRecord | None:
    if values is None:
        return None
    validation = None
    if values["validation"] is not None:
        loss, accuracy = values["validation"]
        if confusion is None or confusion.dtype != np.int64 or confusion.ndim != 2:
            raise ValueError(f"no {CONFUSION} counts of a validation")
        validation = Evaluation(float(loss), float(accuracy), confusion)
    return construct_hyperparameters(EpochRecord, {**values, "validation": validation})


def _arrays(trainer: Trainer) -> list[tuple[str, NDArray[Any]]]:
    groups = {"model": trainer.model.arrays, "best": trainer.best_arrays, "optimizer": trainer.optimizer.state()}
    if trainer.average is not None:
        groups["average"] = trainer.average.arrays
    return [(f"{group}/{name}", array) for group, arrays in groups.items() for name, array in arrays.items()]


def _check_arrays(trainer: Trainer, found: Mapping[str, NDArray[Any]]) -> None:
    own = dict(_arrays(trainer))
    if own.keys() != found.keys():
        missing, unknown = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
        raise DataError(f"a checkpoint of another model or optimizer: missing {missing}, unknown {unknown}")
    for name, array in found.items():
        if (array.shape, array.dtype) != (own[name].shape, own[name].dtype):
            raise DataError(
                f"a checkpoint of another model or optimizer: {name} is of shape {array.shape} and type "
                f"{array.dtype}: must be {own[name].shape}, {own[name].dtype}"
            )
        usable = ~np.isnan(array) if name.startswith("optimizer/") else np.isfinite(array)  # a moment may overflow
        if not usable.all():
            raise DataError(f"{name} holds values that are not finite")


def _check_place(trainer: Trainer, state: State) -> None:
    batches = len(trainer.train)
    if state.batch > batches or state.step != state.epoch * batches + state.batch:
        raise DataError(
            f"its place, update {state.step:,} in epoch {state.epoch} after batch {state.batch}, is none in epochs of "
            f"{batches:,} batches"
        )
    for name in RECORDS:
        validation = getattr(getattr(state, name), "validation", None)
        if validation is not None and validation.confusion.shape != 2 * trainer.model.out_shape:
            raise DataError(f"{name}/{CONFUSION} is of shape {validation.confusion.shape}")
