"""The fused loss: softmax and cross-entropy as one function of the logits."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels.arrays import Array, Indices, buffer
from mnist_trainer.losses.loss import Loss, target_rows


@dataclass(eq=False)
class SoftmaxLoss(Loss):
    """L = mean_n(−t_n · log p_n) with p = softmax(z), where log p = z − lse(z), and lse(z) = log Σ_c e^z_c.

    dL/dz = u (p Σ_c t_c − t) / N, which is u (p − t) / N where t sums to 1: the product of the cross-entropy's −t/(N p)
    and the softmax's Jacobian, multiplied out. dL/dt = u (lse(z) − z) / N.

    With label smoothing ε, t stands for (1 − ε) t + ε/C (https://arxiv.org/abs/1512.00567).
    """

    label_smoothing: float = hyperparameter(0.0, minimum=0, below=1)

    expects: ClassVar[Literal["logits", "probabilities"]] = "logits"
    samplewise: ClassVar[bool] = True

    _t: Array = buffer()
    _p: Array = buffer()
    _log_p: Array = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of logits (N, C)."""
        t = self._t = target_rows(targets, predictions, self.label_smoothing)
        z = predictions.copy("F")  # classes as columns: sums over the classes run along the batch
        z -= z.max(axis=1, keepdims=True)  # each row by its own: nothing overflows, softmax stays the same
        p = self._p = np.exp(z)
        sums = p.sum(axis=1, keepdims=True)
        p /= sums
        z -= np.log(sums)
        self._log_p = z  # finite where p underflows, which log(p) is not
        return -float(np.vdot(t.T, z.T)) / len(t)

    def backward(self, upstream: float = 1.0) -> Array:
        """Return dL/dz = upstream · (p Σ_c t_c − t) / N."""
        dz: Array = self._p * self._t.sum(axis=1, keepdims=True)
        dz -= self._t
        dz *= upstream / len(dz)
        return dz

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return dL/dt = upstream · (1 − ε)(lse(z) − z) / N."""
        return self._log_p * (-upstream * (1 - self.label_smoothing) / len(self._log_p))
