"""What a loss answers as its logits grow, in float32, held against the truth in float64."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.reference import reference_cross_entropy, reference_softmax, reference_softmax_backward
from mnist_trainer.config import LossConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array, Indices

Rows: TypeAlias = Literal["wrong", "right"]
KINDS: tuple[Rows, ...] = ("wrong", "right")
SMALLEST = float(np.finfo(np.float32).smallest_normal)  # what is smaller may be 0 in float32


class Textbook:
    """p = e^z / Σ_j e^z_j, L = mean_n(−log p_ny), dL/dp = −t/p, dL/dz = p ⊙ (dL/dp − Σ_c dL/dp_c p_c) / N.

    The exponent is shifted by the row's maximum, as in the question's own forward ("How to apply the gradient of
    softmax in backprop", Artificial Intelligence Stack Exchange, March 2018); p has neither floor nor clip. So a p
    that underflows gives −log 0 = inf, and −1/0 · 0 = NaN. The gradient is the mean of those of one image each,
    whose 1/p overflows at a gap of 88.7; the 1/(N p) of a mean of N images does so ln N later.
    """

    name = "textbook"

    def __init__(self) -> None:
        self.probabilities: Array = np.empty((0, 0))
        self._labels: Indices = np.empty(0, np.intp)

    def forward(self, logits: Array, labels: Indices) -> float:
        """Return the mean loss of logits (N, C) and class indices (N,)."""
        self.probabilities, self._labels = reference_softmax(logits), labels
        return float(np.mean(-np.log(self.probabilities[np.arange(len(labels)), labels])))

    def backward(self) -> Array:
        """Return dL/dz (N, C)."""
        p, n = self.probabilities, len(self._labels)
        true = np.arange(n), self._labels
        dp = np.zeros_like(p)
        dp[true] = -1 / p[true]
        return reference_softmax_backward(p, dp) / n


class OneHotMode(LossMode):
    """A mode whose targets are one-hot rows, as the question's are: where all p are logged, 0 · log 0 is met."""

    def __init__(self, config: LossConfig, classes: int, max_batch: int, dtype: DTypeLike) -> None:
        super().__init__(config, classes, max_batch, dtype)
        self.name = f"{config.name} (rows)"

    def forward(self, logits: Array, targets: Array | Indices) -> float:
        """Return the mean loss for class indices (N,)."""
        return super().forward(logits, np.eye(logits.shape[1], dtype=logits.dtype)[targets])


Node: TypeAlias = LossMode | Textbook


@dataclass(frozen=True)
class SaturationCurve:
    """A mode's answers over the scales; errors are relative, the gradient's by its Euclidean norm.

    A truth that is too small for float32 counts as float32's smallest normal number in them: where the loss is under
    1e-38, 0 is the right answer. `gradient_at_true` is N · dL/dz at the true class, mean over the rows: the gradient
    of one image's own loss, −1 where it corrects most. `probability` is the least p of a true class, NaN in a mode
    whose loss takes logits.
    """

    mode: str
    rows: Rows
    loss: list[float]
    true_loss: list[float]
    loss_error: list[float]
    gradient_error: list[float]
    gradient_at_true: list[float]
    true_gradient_at_true: list[float]
    probability: list[float]


def saturation_scales() -> Array:
    """Return scales from 1 to 1e4, 4 % apart, and closer around the thresholds of float32, the clip and the floor."""
    everywhere = np.geomspace(1, 1e4, 241)
    return np.unique(np.concatenate([everywhere, np.arange(8, 24, 0.25), np.arange(64, 110, 0.25)]))


def saturated_logits(gap: float, rows: Rows, classes: int, seed: int) -> tuple[Array, Indices]:
    """Return float64 logits (classes, classes) and labels: the true class a gap under, or above, the largest other one.

    No third class has a larger gap, nor has it one at which anything underflows: the others of wrong rows lie 8 at most
    under the largest one, at random, those of right rows are all as large. Each row has an offset of its own.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(classes)
    if rows == "wrong":
        logits = -np.minimum(gap * rng.uniform(0.25, 0.95, (classes, classes)), rng.uniform(6, 8, (classes, classes)))
        logits[labels, (labels + 1) % classes] = 0
        logits[labels, labels] = -gap
    else:
        logits = gap * np.eye(classes)
    return logits + gap * rng.uniform(-1, 1, (classes, 1)), labels


@np.errstate(all="ignore")
def saturation_curve(node: Node, rows: Rows, scales: Array, classes: int, seed: int) -> SaturationCurve:
    """Ask a loss at each scale, the gap."""
    columns = []
    for gap in scales:
        logits, labels = saturated_logits(float(gap), rows, classes, seed)
        columns.append(curve_point(node, logits.astype(np.float32), labels))
    return SaturationCurve(node.name, rows, *(list(column) for column in zip(*columns, strict=True)))


def curve_point(node: Node, logits: Array, labels: Indices) -> tuple[float, ...]:
    """Return the numbers of a `SaturationCurve` at one scale; NaN where the loss can't run."""
    truth = reference_cross_entropy(logits.astype(np.float64), labels)
    true_loss, true_gradient = float(truth.losses.mean()), truth.logits
    norm = float(np.linalg.norm(true_gradient))
    true = np.arange(len(labels)), labels
    try:
        loss = node.forward(logits.copy(), labels)
        gradient = len(labels) * node.backward().astype(np.float64)
        p = probabilities_seen(node, logits)
    except MistakeError:
        loss, gradient, p = math.nan, np.full_like(true_gradient, math.nan), np.full_like(true_gradient, math.nan)
    return (
        loss,
        true_loss,
        abs(loss - true_loss) / max(true_loss, SMALLEST),
        float(np.linalg.norm(gradient - true_gradient)) / max(norm, SMALLEST),
        float(gradient[true].mean()),
        float(true_gradient[true].mean()),
        float(p[true].min()),
    )


def probabilities_seen(node: Node, logits: Array) -> Array:
    """Return p (N, C) as a loss got it in its last forward; NaN where it takes logits."""
    if isinstance(node, Textbook):
        return node.probabilities
    if node.loss.expects == "logits":
        return np.full_like(logits, math.nan)
    return node.tail.forward(logits.copy(), training=True)
