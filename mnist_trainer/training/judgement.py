"""Whether a finished run learned anything, in words: what it came to, the likely reason, and what to try.

Judged on the validation set; on the last epoch's training batches where there is none. The test set is never asked.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.training.records import EpochRecord
from mnist_trainer.training.trainer import Trainer

NEAR = 0.1
"""How much of the way from chance to all right still counts as chance."""
FEW_UPDATES = 100
MANY_EPOCHS = 3
"""From so many on, it says something when the first of them was the best."""


@dataclass(frozen=True)
class RunEnding:
    """What a run that is over came to."""

    right: float
    """Share of right answers: of the validation's images with the parameters that are tested; without a validation, of
    the training images, augmented if they are, with the parameters of each update."""
    of: Literal["validation", "training"]
    chance: float
    """The share of the largest class among the same images."""
    epochs: int
    updates: int
    best_epoch: int | None
    best_right: float
    """In the best validation; 0 without one."""
    learning_rate: float
    clipped: bool
    loss: str
    exact: bool
    """`Loss.exact`."""

    @property
    def near_chance(self) -> bool:
        """Whether naming the largest class each time would do about as well."""
        return is_near_chance(self.right, self.chance)

    @property
    def never_improved(self) -> bool:
        """Whether no validation was better than the first of several."""
        return self.best_epoch == 1 and self.epochs >= MANY_EPOCHS


def is_near_chance(right: float, chance: float) -> bool:
    """Whether a share of right answers is about that of the largest class; where that is all, nothing can be told."""
    return chance < 1 and right <= chance + NEAR * (1 - chance)


def run_ending(trainer: Trainer, tested: EpochRecord, labels: NDArray[np.integer[Any]]) -> RunEnding:
    """Take what `judge_run` needs of a run; `labels` are the training set's, `tested` is the epoch that was tested."""
    validation, best = tested.validation, trainer.best
    counts = np.bincount(labels) if validation is None else validation.confusion.sum(axis=1)
    return RunEnding(
        right=tested.train_accuracy if validation is None else validation.accuracy,
        of="training" if validation is None else "validation",
        chance=float(counts.max() / counts.sum()),
        epochs=trainer.epoch,
        updates=trainer.step,
        best_epoch=best.epoch if best else None,
        best_right=best.validation.accuracy if best and best.validation else 0.0,
        learning_rate=trainer.learning_rate,
        clipped=trainer.clip_norm is not None,
        loss=trainer.loss_name,
        exact=trainer.loss.exact,
    )


def judge_run(end: RunEnding) -> str | None:
    """Say that a run ended near chance, or never improved, and what to try; None if neither is so."""
    if not (end.near_chance or end.never_improved):
        return None
    return f"{_finding(end)} {_advice(end)}"


def _finding(end: RunEnding) -> str:
    if not end.near_chance:
        return f"The validation was never better than after the first of {end.epochs} epochs."
    than = "no more" if end.right <= end.chance else "hardly more"
    said = (
        f"This run ended near chance: {end.right:.2%} of the {end.of} images right, {than} than the {end.chance:.2%} "
        "for naming their largest class each time"
    )
    if end.best_epoch is not None and not is_near_chance(end.best_right, end.chance):
        return (
            f"{said}. After epoch {end.best_epoch} it was {end.best_right:.2%}: trainer.restore_best=true keeps that."
        )
    return (
        f"{said}, and the validation was never better than after the first epoch." if end.never_improved else f"{said}."
    )


def _advice(end: RunEnding) -> str:
    if not end.exact:
        return (
            f"The likely reason is the loss: {end.loss} is not exact; task=gradcheck with it says what is wrong. Try "
            "loss=fused or loss=separate."
        )
    still_improving = end.best_epoch is not None and 1 < end.best_epoch == end.epochs
    if still_improving:
        return f"The last epoch was the best: try more epochs than {end.epochs}, or a larger optimizer.lr."
    tries = [f"a smaller optimizer.lr, such as {end.learning_rate / 10:.2g}"]
    if not end.clipped:
        tries.append("trainer.clip_norm=auto")
    if end.updates < FEW_UPDATES:
        tries.append(f"more updates than {end.updates}, by more epochs or a smaller batch_size")
    return f"Try {', or '.join(tries)}."
