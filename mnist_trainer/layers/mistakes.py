"""Softmax layers whose backward is wrong on purpose: the layers' half of the gallery in `losses.mistakes`.

Written plainly, as their sources are: they are there to be looked at and caught, not to be quick.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array, Shape, buffer
from mnist_trainer.layers.layer import Initializer, Layer


@dataclass(eq=False)
class WrongSoftmax(Layer):
    """Base: the textbook softmax forward, each row shifted by its maximum; no floor under p."""

    suits: ClassVar[Initializer | None] = "lecun"

    _p: Array = buffer()

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the probabilities of logits x (N, C)."""
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self._p = e / e.sum(axis=1, keepdims=True)
        return self._p


@dataclass(eq=False)
class DiagonalSoftmax(WrongSoftmax):
    """Backward keeps only the diagonal of the Jacobian: dp ⊙ p(1 − p), without the terms −p_i p_j of i ≠ j.

    The answer that the question's author posted ("simply `self.data * (1. - self.data)`"); the comment under it says
    what is missing: every p_i depends on every z_j.
    """

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dp ⊙ p(1 − p)."""
        return dy * (self._p * (1 - self._p))


@dataclass(eq=False)
class BatchIdentitySoftmax(WrongSoftmax):
    """Backward is dp ⊙ (p ⊙ (I_N − p)): the identity has the size of the batch instead of the number of classes.

    The question's own `self.data * (np.eye(self.data.shape[0]) - self.data)`. The shapes (N, C) and (N, N) don't go
    together unless N = C; with N = 1 the 1×1 identity broadcasts, into the diagonal p(1 − p).
    """

    classes: int = field(default=0, init=False, repr=False)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Learn the number of classes, for the message."""
        (self.classes,) = in_shape
        return in_shape

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dp ⊙ (p ⊙ (I_N − p)); raises `MistakeError` where the shapes don't go together."""
        n = len(self._p)
        try:
            return dy * (self._p * (np.eye(n, dtype=self._p.dtype) - self._p))
        except ValueError as error:
            raise MistakeError(
                f"the posted backward of softmax can't run on {n} images: np.eye({n}) has the size of the batch where "
                f"the number of classes belongs, and shape ({n}, {n}) doesn't go with the probabilities' "
                f"({n}, {self.classes}). With batch_size={self.classes} it runs, and is wrong; with batch_size=1 it "
                f"turns into the diagonal p(1 − p)"
            ) from error
