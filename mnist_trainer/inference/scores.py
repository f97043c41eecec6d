"""How well a model does on images whose classes are known."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.kernels.arrays import Array, Counts, Indices

BINS = 10

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model's answers come to; by class, NaN where there is nothing to divide by.

    The loss is the mean cross-entropy, −log of the true class's probability: without label smoothing.
    """

    samples: int
    loss: float
    accuracy: float
    confusion: Counts = field(repr=False)
    """Counts of (true class, predicted class)."""
    precision: Numbers = field(repr=False)
    """Of those that are taken for a class, the share that belong to it."""
    recall: Numbers = field(repr=False)
    """Of those that belong to a class, the share that are taken for it."""
    f1: Numbers = field(repr=False)
    """The harmonic mean of the two."""
    calibration: "Calibration" = field(repr=False)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Whether a model is right as often as it says: answers by their confidence, in `BINS` equal steps from 0 to 1."""

    counts: Counts
    confidence: Numbers  # the mean, of each step's
    accuracy: Numbers

    @property
    def error(self) -> float:
        """The expected calibration error, Σ n/N |accuracy − confidence| (Guo et al., https://arxiv.org/abs/1706.04599)."""
        some = self.counts > 0
        weights = self.counts[some] / self.counts.sum()
        return float(weights @ np.abs(self.accuracy[some] - self.confidence[some]))


def scores_of(logits: Array, labels: Indices) -> Scores:
    """Judge logits (N, C) by class numbers (N,); raises `DataError` if there are none."""
    n, classes = logits.shape
    if not n:
        raise DataError("no images: at least one is needed to tell how well a model does")
    z = logits.astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    predicted = logits.argmax(axis=1)
    right = predicted == labels
    confusion = np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits, taken, given = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    return Scores(
        samples=n,
        loss=float(-log_p[np.arange(n), labels].mean()),
        accuracy=float(np.count_nonzero(right) / n),
        confusion=confusion,
        precision=shares_or_nan(hits, taken),
        recall=shares_or_nan(hits, given),
        f1=shares_or_nan(2 * hits, taken + given),
        calibration=calibration_of(np.exp(log_p.max(axis=1)), right),
    )


def calibration_of(confidence: Numbers, right: NDArray[np.bool_]) -> Calibration:
    """Sort answers into steps of their confidence; right is whether each was."""
    step = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    counts = np.bincount(step, minlength=BINS)
    return Calibration(
        counts,
        shares_or_nan(np.bincount(step, confidence, BINS), counts),
        shares_or_nan(np.bincount(step, right, BINS), counts),
    )


def shares_or_nan(parts: NDArray[np.generic], wholes: NDArray[np.generic]) -> Numbers:
    """Return parts / wholes; NaN where a whole is 0."""
    quotients = np.full(len(wholes), np.nan)
    np.divide(parts, wholes, out=quotients, where=wholes.astype(bool))
    return quotients
