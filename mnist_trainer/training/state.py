"""A trainer's state as arrays and plain values, and back: what it takes to go on bit for bit.

The order of an epoch's batches follows from the state of their generator before the epoch, and the schedule from the
number of updates, so that neither is kept.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.records import EpochRecord, Evaluation, Mean
from mnist_trainer.training.trainer import Trainer, state_of

NOW = ("step", "epoch", "batch", "seconds", "epoch_seconds", "order")
CONFUSION = "confusion"
DTYPE = "dtype"


def snapshot(trainer: Trainer, **more: object) -> Checkpoint:
    """Take the state of a trainer that is at rest, or tells of an epoch's end; the arrays are its own, not copies.

    `more` goes into the document as it is.
    """
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
    try:
        _check(trainer, checkpoint)
        document = checkpoint.document["trainer"]
        records = {name: _record(name, document, checkpoint.arrays) for name in ("best", "last")}
        generators = {name: _unplain(document["generators"][name]) for name in trainer.model.generators}
        now = {name: _unplain(document[name]) for name in NOW}
        means = {name: Mean(*document[name]) for name in ("means", "since_record")}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"the checkpoint doesn't fit this version of mnist_trainer: {error!r}") from error
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
        return np.array(value["values"], value[DTYPE])
    return {key: _unplain(part) for key, part in value.items()}


def _arrays(trainer: Trainer) -> list[tuple[str, NDArray[Any]]]:
    groups = {"model": trainer.model.arrays, "best": trainer.best_arrays, "optimizer": trainer.optimizer.state()}
    return [(f"{group}/{name}", array) for group, arrays in groups.items() for name, array in arrays.items()]


def _check(trainer: Trainer, checkpoint: Checkpoint) -> None:
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


def _record(name: str, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> EpochRecord | None:
    values = document[name]
    if values is None:
        return None
    validation = None
    if values["validation"] is not None:
        loss, accuracy = values["validation"]
        validation = Evaluation(loss, accuracy, arrays[f"{name}/{CONFUSION}"])
    return EpochRecord(**{**values, "validation": validation})
