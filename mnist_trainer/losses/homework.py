"""The homework's loss: softmax and cross-entropy in one node, with the forward and backward that were posted."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mnist_trainer.kernels.arrays import Array, Indices, buffer
from mnist_trainer.losses.loss import Loss, are_indices, target_rows


@dataclass(eq=False)
class Homework(Loss):
    """L = mean_n(−Σ_c t_nc log p_nc) with p = softmax(z), as posted: the log is taken of p, once p is rounded.

    dL/dz = u (p − t) / N is right for targets whose rows sum to 1. Where p underflows (in float32 from a gap of 104
    between two logits) the loss is inf at the true class, and with targets (N, C) NaN at any other: 0 · log 0. The
    gradient never sees the log, and stays right. `SoftmaxLoss` is the same function without these two limits.

    The question: "How to apply the gradient of softmax in backprop", Artificial Intelligence Stack Exchange, 2018.
    """

    expects: ClassVar[Literal["logits", "probabilities"]] = "logits"

    _p: Array = buffer()
    _t: Array = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of logits (N, C)."""
        t = self._t = target_rows(targets, predictions)
        e = np.exp(predictions - predictions.max(axis=1, keepdims=True))
        p = self._p = e / e.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            if are_indices(targets):
                return float(np.mean(-np.log(p[np.arange(len(p)), targets])))
            return float(np.mean(-np.sum(t * np.log(p), axis=1)))

    def backward(self, upstream: float = 1.0) -> Array:
        """Return dL/dz = upstream · (p − t) / N."""
        return upstream * (self._p - self._t) / len(self._p)
