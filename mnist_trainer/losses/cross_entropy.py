"""The separate loss: cross-entropy of probabilities, which a softmax layer before it made."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import cross_entropy, softmax
from mnist_trainer.kernels.arrays import Array, Indices, buffer
from mnist_trainer.losses.loss import Loss, are_indices, check_targets


@dataclass(eq=False)
class CrossEntropy(Loss):
    """L = mean_n(−t_n · log p_n), p taken as at least 1e-30 in float32 and 1e-300 in float64.

    dL/dp = −u t / (N p), which is the derivative with respect to the probabilities; p − t is not. dL/dt = −u log p / N.
    The floor keeps the loss finite (at most 69.1 a row in float32); `clamped_rows` counts the rows with a target on a
    class at the floor. backward treats the floor as if it were not there.

    With label smoothing ε, t stands for (1 − ε) t + ε/C (https://arxiv.org/abs/1512.00567).
    """

    label_smoothing: float = hyperparameter(0.0, minimum=0, below=1)

    expects: ClassVar[Literal["logits", "probabilities"]] = "probabilities"
    samplewise: ClassVar[bool] = True

    _capacity: int = field(default=0, init=False, repr=False)
    _floor: float = field(default=0.0, init=False, repr=False)
    _batch: int = field(default=0, init=False, repr=False)
    _labels: Indices | None = field(default=None, init=False, repr=False)
    _predictions: Array = buffer()
    _true: Array = buffer()
    _raised: Array = buffer()
    _gradient: Array = buffer()
    _dense: Array = buffer()
    _rows: Indices = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of probabilities (N, C)."""
        check_targets(predictions, targets)
        n = self._batch = len(predictions)
        self.reserve(n, predictions.shape[1], predictions.dtype)
        self._labels = None
        self._predictions = predictions
        rows = self._rows[:n]
        if are_indices(targets) and self.label_smoothing == 0:
            self._labels = targets
            loss, self.clamped_rows = cross_entropy.hard_loss_from_probabilities(
                predictions, targets, self._floor, rows=rows, out=self._true[:n]
            )
            return loss
        dense = cross_entropy.dense_targets(targets, self.label_smoothing, rows=rows, out=self._dense[:n])
        loss, self.clamped_rows = cross_entropy.soft_loss_from_probabilities(
            predictions, dense, self._floor, scratch=self._gradient[:n], out=self._raised[:n]
        )
        return loss

    def backward(self, upstream: float = 1.0) -> Array:
        """Return dL/dp = −upstream · t / (N p)."""
        n = self._batch
        if self._labels is not None:
            return cross_entropy.hard_probabilities_gradient(
                self._true[:n], self._labels, upstream / n, rows=self._rows[:n], out=self._gradient[:n]
            )
        return cross_entropy.soft_probabilities_gradient(
            self._raised[:n], self._dense[:n], upstream / n, out=self._gradient[:n]
        )

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return dL/dt = −upstream · (1 − ε) log p / N."""
        n = self._batch
        scale = upstream * (1 - self.label_smoothing) / n
        return cross_entropy.targets_gradient_from_probabilities(
            self._predictions, self._floor, scale, out=self._gradient[:n]
        )

    def reserve(self, max_batch: int, classes: int, dtype: DTypeLike) -> None:
        """Make the buffers, if they are too small or others."""
        n = max_batch
        if n <= self._capacity and self._dense.shape[1] == classes and self._dense.dtype == dtype:
            return
        self._capacity = n
        order = softmax.layout(classes)
        self._floor = softmax.probability_floor(dtype)
        self._true = np.empty(n, dtype)
        self._raised, self._gradient, self._dense = (np.empty((n, classes), dtype, order) for _ in range(3))
        self._rows = np.arange(n)
