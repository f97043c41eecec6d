"""Elementwise activations. Those that know their derivative from their output may overwrite their input."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import activations
from mnist_trainer.kernels.arrays import Array, Mask, Shape, buffer, empty
from mnist_trainer.layers.layer import Initializer, Layer


@dataclass(eq=False)
class Activation(Layer):
    """Base: the output's storage (the input's own, where the stack grants it), a scratch array and a mask."""

    suits: ClassVar[Initializer | None] = "he"
    uses_scratch: ClassVar[bool] = True
    uses_mask: ClassVar[bool] = False

    _y: Array = buffer()
    _output: Array = buffer()
    _scratch: Array = buffer()
    _mask: Mask = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make only the buffers that this activation uses."""
        shape = (max_batch, *in_shape)
        self._output = empty((0,) if self.overwrites_input else shape, dtype)
        self._scratch = empty(shape if self.uses_scratch else (0,), dtype)
        self._mask = empty(shape if self.uses_mask else (0,), np.bool_)
        return in_shape

    def _storage(self, x: Array) -> Array:
        return x if self.overwrites_input else self._output[: len(x)]


@dataclass(eq=False)
class ReLU(Activation):
    """y = max(x, 0); the derivative at 0 is taken as 0."""

    samplewise: ClassVar[bool] = True
    uses_scratch: ClassVar[bool] = False
    uses_mask: ClassVar[bool] = True

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return max(x, 0)."""
        self._y = activations.relu(x, out=self._storage(x))
        return self._y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy · [y > 0]."""
        return activations.relu_backward(self._y, dy, mask=self._mask[: len(dy)])


@dataclass(eq=False)
class LeakyReLU(Activation):
    """y = x where x > 0, slope · x elsewhere; the derivative at 0 is taken as the slope."""

    slope: float = hyperparameter(0.01, above=0, below=1)

    samplewise: ClassVar[bool] = True
    uses_mask: ClassVar[bool] = True

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return max(x, slope · x)."""
        self._y = activations.leaky_relu(x, self.slope, scratch=self._scratch[: len(x)], out=self._storage(x))
        return self._y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy where y > 0, slope · dy elsewhere."""
        n = len(dy)
        return activations.leaky_relu_backward(self._y, dy, self.slope, mask=self._mask[:n], scratch=self._scratch[:n])


@dataclass(eq=False)
class Tanh(Activation):
    """y = tanh x."""

    samplewise: ClassVar[bool] = True
    suits: ClassVar[Initializer | None] = "glorot"

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return tanh x."""
        self._y = activations.tanh(x, out=self._storage(x))
        return self._y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy · (1 − y²)."""
        return activations.tanh_backward(self._y, dy, scratch=self._scratch[: len(dy)])


@dataclass(eq=False)
class Sigmoid(Activation):
    """y = 1 / (1 + e⁻ˣ)."""

    samplewise: ClassVar[bool] = True
    suits: ClassVar[Initializer | None] = "glorot"

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the logistic function of x."""
        self._y = activations.sigmoid(x, out=self._storage(x))
        return self._y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy · y(1 − y)."""
        return activations.sigmoid_backward(self._y, dy, scratch=self._scratch[: len(dy)])


@dataclass(eq=False)
class GELU(Activation):
    """y = ½ x (1 + tanh(√(2/π)(x + 0.044715 x³))), the tanh form of GELU (https://arxiv.org/abs/1606.08415)."""

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    _x: Array = buffer()
    _inner: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; backward needs the input, which therefore is never overwritten."""
        self.overwrites_input = False
        self._inner = empty((max_batch, *in_shape), dtype)
        return super().build(in_shape, max_batch, dtype)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return ½ x (1 + tanh u)."""
        self._x = x
        return activations.gelu(x, inner=self._inner[: len(x)], out=self._storage(x))

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy · dy/dx."""
        n = len(dy)
        return activations.gelu_backward(self._x, self._inner[:n], dy, scratch=self._scratch[:n])
