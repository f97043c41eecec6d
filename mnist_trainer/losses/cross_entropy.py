"""The separate loss: cross-entropy of probabilities, which a softmax layer before it made."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels.arrays import Array, Indices, buffer, probability_floor
from mnist_trainer.losses.loss import Loss, target_rows


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

    _t: Array = buffer()
    _p: Array = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of probabilities (N, C)."""
        t = self._t = target_rows(targets, predictions, self.label_smoothing)
        floor = probability_floor(predictions.dtype)
        p = self._p = np.maximum(predictions, floor)
        on_floor = p <= floor
        self.clamped_rows = 0
        if on_floor.any():  # it seldom is, and a look costs less than a count
            self.clamped_rows = int(np.count_nonzero((on_floor & (t > 0)).any(axis=1)))
        return -float(np.vdot(t.T, np.log(p).T)) / len(t)

    def backward(self, upstream: float = 1.0) -> Array:
        """Return dL/dp = −upstream · t / (N p)."""
        dp = self._t / self._p
        dp *= -upstream / len(dp)
        return dp

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return dL/dt = −upstream · (1 − ε) log p / N."""
        return np.log(self._p) * (-upstream * (1 - self.label_smoothing) / len(self._p))
