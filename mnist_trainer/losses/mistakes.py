"""The gallery of mistakes: losses whose gradient, or value, is wrong on purpose, as posted or as commonly made.

For a teacher to show what each does to training, and that the gradient check names it. All are of (N, C) predictions
and mean over the batch; p = softmax(z), t are the targets, N is the batch size, u the upstream gradient. Some are wrong
in the layer that `registry.tail_layers` puts behind the model (`layers.mistakes`), so that the class here is right, or
wrong in one half only. Right are `SoftmaxLoss`, and `Softmax` with `CrossEntropy`.

The question: "How to apply the gradient of softmax in backprop", Artificial Intelligence Stack Exchange, March 2018.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels.arrays import Array, Indices, buffer
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.loss import Loss, target_rows
from mnist_trainer.losses.softmax_loss import SoftmaxLoss


@dataclass(eq=False)
class PostedCrossEntropy(Loss):
    """Base: L = mean_n(−Σ_c t_nc log p_nc), with (p − t)/N passed off as dL/dp, which is −t/(N p).

    The question's class `LCE`: (p − t)/N is the derivative with respect to the logits, with the softmax in it already.
    Its derivative with respect to the targets, −log p / N, is right.
    """

    expects: ClassVar[Literal["logits", "probabilities"]] = "probabilities"
    exact: ClassVar[bool] = False

    _p: Array = buffer()
    _targets: Array = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of probabilities (N, C); inf or NaN where one of them is 0, as posted."""
        self._p, self._targets = predictions, target_rows(targets, predictions)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean(-np.sum(self._targets * np.log(self._p), axis=1)))

    def backward(self, upstream: float = 1.0) -> Array:
        """Return u (p − t) / N."""
        return upstream * (self._p - self._targets) / len(self._p)

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return dL/dt = −u log p / N."""
        with np.errstate(divide="ignore"):
            return -upstream * np.log(self._p) / len(self._p)


@dataclass(eq=False)
class PostedQuestion(PostedCrossEntropy):
    """The question's own two nodes: (p − t)/N as dL/dp, and `BatchIdentitySoftmax`, dp ⊙ (p ⊙ (I_N − p)).

    Shows as: shapes that don't go together, unless N = C, or N = 1, where it is `posted_answer`; wrong where it runs.
    """


@dataclass(eq=False)
class PostedAnswer(PostedCrossEntropy):
    """The question's author's own answer: (p − t)/N as dL/dp, and `DiagonalSoftmax`, dp ⊙ p(1 − p).

    Shows as: rows of dL/dz that don't sum to 0, and a gradient that vanishes as p saturates, right or wrong. Often it
    still trains, since its signs are right: the most treacherous of all.
    """


@dataclass(eq=False)
class Diagonal(CrossEntropy):
    """The right cross-entropy, −t/(N p), but `DiagonalSoftmax`, dp ⊙ p(1 − p): the common mistake after the question.

    Shows as: right at the true class, (p − 1)/N, and 0 at every other one; rows of dL/dz don't sum to 0.
    """

    exact: ClassVar[bool] = False


@dataclass(eq=False)
class DoubleJacobian(PostedCrossEntropy):
    """(p − t)/N, which is the derivative with respect to z already, sent through the right `Softmax` layer once more.

    Shows as: a gradient too small everywhere, that vanishes as p saturates.
    """


@dataclass(eq=False)
class DoubleSoftmax(SoftmaxLoss):
    """Probabilities of a `Softmax` layer, handed to the fused loss as if they were logits: softmax twice.

    A model that ends in a softmax under a loss that takes logits: the warning in the documentation of PyTorch's
    `CrossEntropyLoss` ("unnormalized logits"). Its gradient is right for its own loss, so finite differences pass.
    Shows as: a loss that is not the cross-entropy of the logits, and never under log(1 + 9/e) = 1.46 for 10 classes.
    """

    expects: ClassVar[Literal["logits", "probabilities"]] = "probabilities"
    exact: ClassVar[bool] = False


@dataclass(eq=False)
class SumForMean(Loss):
    """A mean loss of logits with the gradient of the sum: u (p − t), without / N.

    Shows as: a gradient N times too large (right for a batch of 1), so that the learning rate that works depends on
    the batch size. The "forgotten 1/N", as in CS231n's notes on regularised gradients and averages.
    """

    expects: ClassVar[Literal["logits", "probabilities"]] = "logits"
    exact: ClassVar[bool] = False

    _right: SoftmaxLoss = field(default_factory=SoftmaxLoss, init=False, repr=False)
    _batch: int = field(default=0, init=False, repr=False)

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss of logits (N, C)."""
        self._batch = len(predictions)
        return self._right.forward(predictions, targets)

    def backward(self, upstream: float = 1.0) -> Array:
        """Return u (p − t)."""
        return self._right.backward(upstream * self._batch)

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return u (lse(z) − z)."""
        return self._right.targets_gradient(upstream * self._batch)


@dataclass(eq=False)
class Clipped(Loss):
    """Separate, with p clipped to [ε, 1 − ε] in forward, and the clip honoured in backward: 0 outside, −t/(N p) inside.

    As Keras's `categorical_crossentropy` does on probabilities. Finite differences pass. Shows as: a loss capped at
    −log ε (16.12 for ε = 1e-7), and no gradient where p < ε: the worst mistakes teach nothing.
    """

    epsilon: float = hyperparameter(1e-7, above=0, below=0.5)

    expects: ClassVar[Literal["logits", "probabilities"]] = "probabilities"
    exact: ClassVar[bool] = False

    _p: Array = buffer()
    _clipped: Array = buffer()
    _targets: Array = buffer()

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return mean_n(−t_n · log clip(p_n)) of probabilities (N, C)."""
        self._p, self._targets = predictions, target_rows(targets, predictions)
        self._clipped = np.clip(predictions, self.epsilon, 1 - self.epsilon)
        self.clamped_rows = int(np.count_nonzero(((predictions < self.epsilon) & (self._targets > 0)).any(axis=1)))
        return float(-np.sum(self._targets * np.log(self._clipped)) / len(predictions))

    def backward(self, upstream: float = 1.0) -> Array:
        """Return −u t / (N p) where p lies within the clip, 0 elsewhere."""
        inside = np.where(self._p == self._clipped, self._targets, 0)
        return -upstream * inside / (len(self._p) * self._clipped)

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return dL/dt = −u log clip(p) / N."""
        return -upstream * np.log(self._clipped) / len(self._p)
