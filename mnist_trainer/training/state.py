"""A trainer's state as arrays and plain values, and back: what it takes to go on bit for bit.

The order of an epoch's batches follows from the state of their generator before the epoch, and the schedule from the
number of updates, so that neither is kept.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.hyperparameters import check, construct, hyperparameter, picked
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.records import EpochRecord, Evaluation, Mean
from mnist_trainer.training.trainer import Trainer, state_of

CONFUSION = "confusion"
DTYPE = "dtype"
MISFITS = (KeyError, TypeError, ValueError, ArithmeticError, RecursionError, ConfigError)
"""What content that isn't a trainer's leads to."""


@dataclass(frozen=True)
class Place:
    """Where a trainer is in its run: the trainer's own attributes."""

    order: Mapping[str, Any] | None
    step: int = hyperparameter(minimum=0)
    epoch: int = hyperparameter(minimum=0)
    batch: int = hyperparameter(minimum=0)
    seconds: float = hyperparameter(minimum=0)
    epoch_seconds: float = hyperparameter(minimum=0)

    def __post_init__(self) -> None:
        """Check the ranges; raises `ConfigError`."""
        check(self)


NOW = tuple(field.name for field in fields(Place))


def place_of(document: Mapping[str, Any]) -> Place:
    """Return where the trainer was, as a checkpoint's document says; raises `DataError`."""
    try:
        return picked(Place, document["trainer"])
    except MISFITS as error:
        raise _misfit(error) from error


def _misfit(error: Exception) -> DataError:
    reason = str(error) if isinstance(error, ConfigError) else repr(error)
    return DataError(f"its content doesn't fit this version of mnist_trainer: {reason}")


def snapshot(trainer: Trainer, **more: object) -> Checkpoint:
    """Take the state of a trainer that is at rest, or tells of an epoch's end; the arrays are its own, not copies.

    `more` goes into the document as it is.
    """
    trainer.worker.collect()
    arrays = dict(_arrays(trainer))
    document: dict[str, Any] = {name: _plain(getattr(trainer, name)) for name in NOW}
    document |= {"means": trainer.means.sums, "since_record": trainer.since_record.sums}
    document["generators"] = {name: _plain(state_of(generator)) for name, generator in trainer.model.generators.items()}
    for name in ("best", "last"):
        record: EpochRecord | None = getattr(trainer, name)
        document[name] = None
        if record is not None:
            document[name] = asdict(replace(record, validation=None))
            if record.validation is not None:
                arrays[f"{name}/{CONFUSION}"] = record.validation.confusion
                document[name]["validation"] = [record.validation.loss, record.validation.accuracy]
    return Checkpoint(arrays, {"trainer": document, **more})


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Bring a trainer that was built from the same configuration to where the checkpoint was taken.

    Raises `DataError` if the checkpoint is that of another model or optimizer; the trainer is as it was then.
    """
    place = place_of(checkpoint.document)
    _check(trainer, checkpoint, place)
    try:
        document = checkpoint.document["trainer"]
        records = {name: _record(name, document, checkpoint.arrays, trainer) for name in ("best", "last")}
        generators = {name: _unplain(document["generators"][name]) for name in trainer.model.generators}
        now = {name: _unplain(getattr(place, name)) for name in NOW}
        means = {name: _mean(document[name]) for name in ("means", "since_record")}
        for name, generator in trainer.model.generators.items():
            _check_generator(generator, generators[name])
        if trainer.train.generator is not None:
            _check_generator(trainer.train.generator, now["order"])
    except MISFITS as error:
        raise _misfit(error) from error
    for name, value in {**now, **means, **records}.items():
        setattr(trainer, name, value)
    for name, generator in trainer.model.generators.items():
        generator.bit_generator.state = generators[name]
    if trainer.train.generator is not None:
        trainer.train.generator.bit_generator.state = now["order"]
    for name, array in _arrays(trainer):
        np.copyto(array, checkpoint.arrays[name])


def _plain(value: Any) -> Any:
    """Return a generator's state as JSON has it: that of most kinds, but for PCG64, holds arrays."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return {DTYPE: value.dtype.str, "values": value.tolist()} if isinstance(value, np.ndarray) else value


def _unplain(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if DTYPE in value:
        dtype = np.dtype(value[DTYPE])
        if dtype.kind not in "iu":  # one of text, say, could ask for any size
            raise ValueError(f"no generator's state holds {dtype}")
        return np.array(value["values"], dtype)
    return {key: _unplain(part) for key, part in value.items()}


def _arrays(trainer: Trainer) -> list[tuple[str, NDArray[Any]]]:
    groups = {"model": trainer.model.arrays, "best": trainer.best_arrays, "optimizer": trainer.optimizer.state()}
    return [(f"{group}/{name}", array) for group, arrays in groups.items() for name, array in arrays.items()]


def _check(trainer: Trainer, checkpoint: Checkpoint, place: Place) -> None:
    own = dict(_arrays(trainer))
    found = {name: array for name, array in checkpoint.arrays.items() if not name.endswith(f"/{CONFUSION}")}
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
    batches = len(trainer.train)
    if place.batch > batches or place.step != place.epoch * batches + place.batch:
        raise DataError(
            f"its place, update {place.step:,} in epoch {place.epoch} after batch {place.batch}, is none in epochs of "
            f"{batches:,} batches"
        )


def _check_generator(generator: np.random.Generator, state: Mapping[str, Any] | None) -> None:
    """Raise one of `MISFITS` if it can't have this state."""
    other = type(generator.bit_generator)()
    other.state = state  # type: ignore[assignment]
    if _plain(other.state) != _plain(state):
        raise ValueError(f"{state} is no state of a {type(other).__name__}")


def _mean(sums: Any) -> Mean:
    samples, clamped_rows, loss, correct = sums
    if not all(type(each) is int and each >= 0 for each in (samples, clamped_rows, correct)) or type(loss) is not float:
        raise ValueError(f"{sums} are no sums over samples")
    return Mean(samples, clamped_rows, loss, correct)


def _record(
    name: str, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], trainer: Trainer
) -> EpochRecord | None:
    values = document[name]
    if values is None:
        return None
    validation = None
    if values["validation"] is not None:
        loss, accuracy = values["validation"]
        confusion = arrays[f"{name}/{CONFUSION}"]
        if confusion.dtype != np.int64 or confusion.shape != 2 * trainer.model.out_shape:
            raise ValueError(f"{name}/{CONFUSION} is of shape {confusion.shape} and type {confusion.dtype}")
        validation = Evaluation(float(loss), float(accuracy), confusion)
    return construct(EpochRecord, {**values, "validation": validation})
