"""The fused loss: softmax and cross-entropy as one function of the logits."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from mnist_trainer.hyperparameters import buffer, hyperparameter
from mnist_trainer.kernels import cross_entropy, softmax
from mnist_trainer.kernels.arrays import Array, Indices
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

    _capacity: int = field(default=0, init=False, repr=False)
    _batch: int = field(default=0, init=False, repr=False)
    _labels: Indices | None = field(default=None, init=False, repr=False)
    _shifted: Array = buffer()
    _exponentials: Array = buffer()
    _gradient: Array = buffer()
    _dense: Array = buffer()
    _sums: Array = buffer()
    _log_sums: Array = buffer()
    _totals: Array = buffer()
    _row: Array = buffer()
    _rows: Indices = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of logits (N, C)."""
        check_targets(predictions, targets)
        self._reserve(predictions)
        n = self._batch = len(predictions)
        self._labels = None
        shifted, sums, log_sums = self._shifted[:n], self._sums[:n], self._log_sums[:n]
        softmax.shift_by_maximum(predictions, row=sums, out=shifted)
        softmax.exponentials(shifted, row=sums, out=self._exponentials[:n])
        np.log(sums, out=log_sums)
        rows = self._rows[:n]
        if are_indices(targets) and self.label_smoothing == 0:
            self._labels = targets
            return cross_entropy.hard_loss_from_shifted(shifted, log_sums, targets, rows=rows)
        dense = cross_entropy.dense_targets(targets, self.label_smoothing, rows=rows, out=self._dense[:n])
        return cross_entropy.soft_loss_from_shifted(
            shifted, log_sums, dense, totals=self._totals[:n], scratch=self._gradient[:n]
        )

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
        return cross_entropy.targets_gradient_from_shifted(
            self._shifted[:n], self._log_sums[:n], scale, out=self._gradient[:n]
        )

    def _reserve(self, predictions: Array) -> None:
        n, classes = predictions.shape
        if n <= self._capacity and self._shifted.shape[1] == classes and self._shifted.dtype == predictions.dtype:
            return
        self._capacity = n
        dtype, order = predictions.dtype, softmax.layout(classes)
        self._shifted, self._exponentials, self._gradient, self._dense = (
            np.empty((n, classes), dtype, order) for _ in range(4)
        )
        self._sums, self._log_sums, self._totals, self._row = (np.empty((n, 1), dtype) for _ in range(4))
        self._rows = np.arange(n)
