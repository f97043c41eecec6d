"""Layers that only change the shape: views, wherever the memory order allows."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.layers.layer import Layer


@dataclass(eq=False)
class Reshape(Layer):
    """y = x in another shape, without the batch axis; one entry may be −1 and is computed from the rest."""

    shape: tuple[int, ...]

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    keeps_storage: ClassVar[bool] = True

    _in_shape: Shape = field(default=(), init=False, repr=False)
    _out_shape: Shape = field(default=(), init=False, repr=False)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Compute the output's shape; it must hold as many values as the input's."""
        size, known = math.prod(in_shape), math.prod(n for n in self.shape if n != -1)
        unknowns = list(self.shape).count(-1)
        if unknowns > 1 or known < 1 or (size != known if unknowns == 0 else size % known):
            raise ConfigError(f"can't bring {size} values of shape {in_shape} into shape {list(self.shape)}")
        self._in_shape = in_shape
        self._out_shape = tuple(size // known if n == -1 else n for n in self.shape)
        return self._out_shape

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return a view of x."""
        return x.reshape(len(x), *self._out_shape)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return a view of dy."""
        return dy.reshape(len(dy), *self._in_shape)


@dataclass(eq=False)
class Flatten(Reshape):
    """y = x as (N, features)."""

    samplewise: ClassVar[bool] = True

    shape: tuple[int, ...] = field(default=(-1,), init=False, repr=False)
