"""Softmax as a layer of its own, with its true vector-Jacobian product."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import Array, Shape, buffer, probability_floor
from mnist_trainer.layers.layer import Initializer, Layer


@dataclass(eq=False)
class Softmax(Layer):
    """p_i = e^z_i / Σ_j e^z_j over the last axis, raised to a floor of 1e-30 in float32 and 1e-300 in float64.

    backward is dL/dz = p ⊙ (dp − Σ_c dp_c p_c): the Jacobian diag(p) − p pᵀ applied to dp = dL/dp. It treats the floor
    as if it were not there (a straight-through choice): with the cross-entropy's −t/p, p · (1/p) is 1 on the floor
    too, and a class whose probability underflows still gets the gradient −1/N that it should.
    """

    samplewise: ClassVar[bool] = True
    suits: ClassVar[Initializer | None] = "lecun"

    _p: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Check that the input is flat."""
        if len(in_shape) != 1:
            raise ConfigError(f"expects a flat input, and gets one of shape {in_shape}: put a `flatten` before it")
        return in_shape

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the probabilities of logits x (N, C)."""
        p = self._p = x.copy("F")  # classes as columns: sums over the classes run along the batch
        p -= p.max(axis=1, keepdims=True)  # each row by its own: nothing overflows, softmax stays the same
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        return np.maximum(p, probability_floor(p.dtype), out=p)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return p ⊙ (dy − Σ_c dy_c p_c)."""
        dz: Array = dy - (dy * self._p).sum(axis=1, keepdims=True)
        dz *= self._p
        return dz
