"""The fused loss: softmax and cross-entropy as one function of the logits."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import cross_entropy, softmax
from mnist_trainer.kernels.arrays import Array, Indices, buffer
from mnist_trainer.losses.loss import Loss, are_indices, check_targets


@dataclass(eq=False)
class SoftmaxLoss(Loss):
    """L = mean_n(lse(z_n) Σ_c t_nc − t_n · z_n), with lse(z) = log Σ_c e^z_c shifted by the row's maximum.

    dL/dz = u (p Σ_c t_c − t) / N with p = softmax(z), which is u (p − t) / N where t sums to 1: the product of the
    cross-entropy's −t/(N p) and the softmax's Jacobian, multiplied out. dL/dt = u (lse(z) − z) / N.

    With label smoothing ε, t stands for (1 − ε) t + ε/C (https://arxiv.org/abs/1512.00567).
    """

    label_smoothing: float = hyperparameter(0.0, minimum=0, below=1)

    expects: ClassVar[Literal["logits", "probabilities"]] = "logits"
    samplewise: ClassVar[bool] = True

    _capacity: int = field(default=0, init=False, repr=False)
    _batch: int = field(default=0, init=False, repr=False)
    _labels: Indices | None = field(default=None, init=False, repr=False)
    _logits: Array = buffer()
    _exponentials: Array = buffer()
    _gradient: Array = buffer()
    _dense: Array = buffer()
    _sums: Array = buffer()
    _log_sums: Array = buffer()
    _totals: Array = buffer()
    _row: Array = buffer()
    _ones: Array = buffer()
    _rows: Indices = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of logits (N, C)."""
        check_targets(predictions, targets)
        n = self._batch = len(predictions)
        self.reserve(n, predictions.shape[1], predictions.dtype)
        self._logits, self._labels = predictions, None
        exponentials, sums, log_sums, rows = (
            self._exponentials[:n],
            self._sums[:n],
            self._log_sums[:n],
            self._rows[:n],
        )
        shifted = softmax.shift_by_maximum(predictions, row=sums, out=exponentials)
        if are_indices(targets) and self.label_smoothing == 0:
            self._labels = targets
            distances = cross_entropy.hard_distances(shifted, targets, rows=rows)
            softmax.exponentials(shifted, ones=self._ones, row=sums, out=exponentials)
            return (distances + float(np.add.reduce(np.log(sums, out=log_sums), axis=None))) / n
        dense = cross_entropy.dense_targets(targets, self.label_smoothing, rows=rows, out=self._dense[:n])
        totals = self._totals[:n]
        distances = cross_entropy.soft_distances(
            shifted, dense, ones=self._ones, totals=totals, scratch=self._gradient[:n]
        )
        softmax.exponentials(shifted, ones=self._ones, row=sums, out=exponentials)
        return (distances + float(np.vdot(totals, np.log(sums, out=log_sums)))) / n

    def backward(self, upstream: float = 1.0) -> Array:
        """Return dL/dz = upstream · (p Σ_c t_c − t) / N."""
        n = self._batch
        exponentials, sums, row, gradient = (
            self._exponentials[:n],
            self._sums[:n],
            self._row[:n],
            self._gradient[:n],
        )
        if self._labels is not None:
            return cross_entropy.hard_logits_gradient(
                exponentials, sums, self._labels, upstream / n, rows=self._rows[:n], row=row, out=gradient
            )
        return cross_entropy.soft_logits_gradient(
            exponentials, sums, self._dense[:n], self._totals[:n], upstream / n, row=row, out=gradient
        )

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return dL/dt = upstream · (1 − ε)(lse(z) − z) / N."""
        n = self._batch
        scale = upstream * (1 - self.label_smoothing) / n
        shifted = softmax.shift_by_maximum(self._logits, row=self._row[:n], out=self._gradient[:n])
        return cross_entropy.targets_gradient_from_shifted(shifted, self._log_sums[:n], scale, out=shifted)

    def reserve(self, max_batch: int, classes: int, dtype: DTypeLike) -> None:
        """Make the buffers, if they are too small or others."""
        n = max_batch
        known = self._exponentials
        if n <= self._capacity and known.shape[1] == classes and known.dtype == dtype:
            return
        self._capacity = n
        order = softmax.layout(classes)
        self._exponentials, self._gradient, self._dense = (np.empty((n, classes), dtype, order) for _ in range(3))
        self._sums, self._log_sums, self._totals, self._row = (np.empty((n, 1), dtype) for _ in range(4))
        self._ones = np.ones((classes, 1), dtype)
        self._rows = np.arange(n)
