"""What the trainer tells its callbacks, and whoever trains update by update."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.kernels.arrays import Array, Indices


class Update(NamedTuple):
    """One update: its batch, in buffers valid until the next one, and what the loss said of it before."""

    x: Array
    labels: Indices
    loss: float
    correct: int


@dataclass(frozen=True)
class UpdateRecord:
    """The updates since the last record: means of loss and accuracy over their samples, the rest of the last one."""

    step: int  # updates done
    loss: float
    accuracy: float
    learning_rate: float
    gradient_norm: float  # before clipping
    clamped_rows: int  # summed over the updates


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and accuracy over a data set, and the counts of (true class, predicted class)."""

    loss: float
    accuracy: float
    confusion: NDArray[np.int64] = field(repr=False)

    @property
    def precision(self) -> float:
        """Mean over the classes of the share of right ones among the images taken for the class; of none it is 0."""
        return self._share_of(self.confusion.sum(axis=0))

    @property
    def recall(self) -> float:
        """Mean over the classes of the share of the class's images that are recognised."""
        return self._share_of(self.confusion.sum(axis=1))

    def _share_of(self, counts: NDArray[np.int64]) -> float:
        there = self.confusion.sum(axis=1) > 0  # a class without images has neither
        return float((self.confusion.diagonal()[there] / np.maximum(counts[there], 1)).mean())

    def is_better_than(self, other: "Evaluation | None", *, by_loss: bool) -> bool:
        """Whether its accuracy is higher (ties by its loss), or with `by_loss` the other way round; than none it is."""
        return other is None or self._merit(by_loss) > other._merit(by_loss)

    def _merit(self, by_loss: bool) -> tuple[float, float]:
        return (-self.loss, self.accuracy) if by_loss else (self.accuracy, -self.loss)


@dataclass(frozen=True)
class EpochRecord:
    """One pass over the training samples."""

    epoch: int  # from 1
    epochs: int
    step: int  # updates done
    train_loss: float  # mean over the epoch's samples, while the parameters were changing
    train_accuracy: float
    validation: Evaluation | None
    best: bool  # whether the validation is the best so far
    learning_rate: float
    seconds: float  # of the training alone
    samples_per_second: float


class RunningMeans:
    """The running means of loss and accuracy over samples."""

    def __init__(self, samples: int = 0, clamped_rows: int = 0, loss: float = 0.0, correct: int = 0) -> None:
        self.samples = samples
        self.clamped_rows = clamped_rows
        self._loss = loss
        self._correct = correct

    @property
    def sums(self) -> tuple[int, int, float, int]:
        """What a mean that goes on from here is made of: `RunningMeans(*sums)`."""
        return self.samples, self.clamped_rows, self._loss, self._correct

    def add(self, loss: float, correct: int, samples: int, clamped_rows: int = 0) -> None:
        """Take in a batch's mean loss and its number of right predictions."""
        self.samples += samples
        self.clamped_rows += clamped_rows
        self._loss += loss * samples
        self._correct += correct

    @property
    def loss(self) -> float:
        """Mean loss; NaN of no samples."""
        return self._loss / self.samples if self.samples else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of right predictions; NaN of no samples."""
        return self._correct / self.samples if self.samples else float("nan")
