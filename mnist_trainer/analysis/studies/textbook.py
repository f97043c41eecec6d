"""Two plain implementations to measure the modes by: the textbook's two nodes, and a float64 reference."""

import numpy as np

from mnist_trainer.kernels.arrays import Array, Indices


class Textbook:
    """p = e^z / Σ_j e^z_j, L = mean_n(−log p_ny), dL/dp = −t/(N p), dL/dz = p ⊙ (dL/dp − Σ_c dL/dp_c p_c).

    The exponent is shifted by the row's maximum, as in the question's own forward ("How to apply the gradient of
    softmax in backprop", Artificial Intelligence Stack Exchange, March 2018); p has neither floor nor clip. So a p
    that underflows gives −log 0 = inf, and −1/0 · 0 = NaN.
    """

    name = "textbook"

    def __init__(self) -> None:
        self.probabilities: Array = np.empty((0, 0))
        self._labels: Indices = np.empty(0, np.intp)

    def forward(self, logits: Array, labels: Indices) -> float:
        """Return the mean loss of logits (N, C) and class indices (N,)."""
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        self._labels = labels
        return float(np.mean(-np.log(self.probabilities[np.arange(len(labels)), labels])))

    def backward(self) -> Array:
        """Return dL/dz (N, C)."""
        p, n = self.probabilities, len(self._labels)
        true = np.arange(n), self._labels
        dp = np.zeros_like(p)
        dp[true] = -1 / (n * p[true])
        gradient: Array = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
        return gradient


def reference(logits: Array, labels: Indices) -> tuple[Array, Array]:
    """Return each row's loss (N,) and its d/dz (N, C), in float64, with full relative precision at any gap.

    L = (max z − z_y) + log1p(Σ_c≠top e^(z_c − max z)), and at the true class −Σ_c≠y p_c: no 1 is added to or
    subtracted from what is much smaller.
    """
    z, rows = logits.astype(np.float64), np.arange(len(logits))
    top = z.argmax(axis=1)
    largest = z[rows, top]
    exponentials = np.exp(z - largest[:, None])
    others = exponentials.copy()
    others[rows, top] = 0
    rest = others.sum(axis=1)
    gradient = exponentials / (1 + rest)[:, None]
    gradient[rows, labels] = 0
    gradient[rows, labels] = -gradient.sum(axis=1)
    return largest - z[rows, labels] + np.log1p(rest), gradient
