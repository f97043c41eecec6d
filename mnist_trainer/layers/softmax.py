"""Softmax as a layer of its own, with its true vector-Jacobian product."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels import softmax
from mnist_trainer.kernels.arrays import Array, Shape, buffer
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

    _floor: float = field(default=0.0, init=False, repr=False)
    _p: Array = buffer()
    _output: Array = buffer()
    _scratch: Array = buffer()
    _row: Array = buffer()
    _ones: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be flat."""
        if len(in_shape) != 1:
            raise ConfigError(f"expects a flat input, and gets one of shape {in_shape}: put a `flatten` before it")
        order = softmax.layout(in_shape[0])
        self._floor = softmax.probability_floor(dtype)
        self._output = np.empty((max_batch, *in_shape), dtype, order)
        self._scratch = np.empty((max_batch, *in_shape), dtype, order)
        self._row = np.empty((max_batch, 1), dtype)
        self._ones = np.ones((*in_shape, 1), dtype)
        return in_shape

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the probabilities of logits x (N, C)."""
        self._p = softmax.softmax(x, ones=self._ones, row=self._row[: len(x)], out=self._output[: len(x)])
        return softmax.raise_to_floor(self._p, self._floor, out=self._p)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return p ⊙ (dy − Σ_c dy_c p_c)."""
        n = len(dy)
        row, scratch = self._row[:n], self._scratch[:n]
        return softmax.softmax_backward(self._p, dy, ones=self._ones, row=row, scratch=scratch, out=dy)
