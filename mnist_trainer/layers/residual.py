"""The residual connection."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import buffer
from mnist_trainer.kernels import elementwise
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.layers.layer import Initializer, Layer
from mnist_trainer.layers.stack import Stack


@dataclass(eq=False)
class Residual(Layer):
    """y = x + f(x), f being the layers' stack, whose output has the shape of its input.

    He et al., "Deep residual learning" (https://arxiv.org/abs/1512.03385).
    """

    layers: Sequence[Layer]

    reads_output: ClassVar[bool] = False
    suits: ClassVar[Initializer | None] = "lecun"

    stack: Stack = field(init=False, repr=False)
    _y: Array = buffer()
    _dx: Array = buffer()

    def __post_init__(self) -> None:
        """Make the stack; an empty list of layers is an error."""
        super().__post_init__()
        if not self.layers:
            raise ConfigError("layers is empty: a residual connection needs at least one layer")
        self.stack = Stack(self.layers)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Build the stack; its output must have the input's shape."""
        out_shape = self.stack.build(in_shape, max_batch, dtype)
        if out_shape != in_shape:
            raise ConfigError(f"its layers turn shape {in_shape} into {out_shape}: x + f(x) needs the same shape")
        self._y = np.empty((max_batch, *in_shape), dtype)
        self._dx = np.empty((max_batch, *in_shape), dtype)
        return in_shape

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the stack's."""
        return self.stack.parameter_shapes()

    def decayed(self) -> Set[str]:
        """Tell the stack's."""
        return self.stack.decayed()

    def state(self) -> Mapping[str, Array]:
        """Give the stack's."""
        return self.stack.state()

    def generators(self) -> Mapping[str, np.random.Generator]:
        """Give the stack's."""
        return self.stack.generators()

    def is_samplewise(self) -> bool:
        """Tell whether the stack is."""
        return self.stack.is_samplewise()

    def take_part(self, before: int, total: int) -> None:
        """Tell the stack."""
        self.stack.take_part(before, total)

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Bind the stack."""
        self.stack.bind(parameters, gradients, rng)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x + f(x)."""
        return elementwise.add(x, self.stack.forward(x, training=training), out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy + the stack's dL/dx; the stack may overwrite dy, so a copy keeps it."""
        if not need_dx:
            return self.stack.backward(dy, need_dx=False)
        dx = elementwise.copy(dy, out=self._dx[: len(dy)])
        inner = self.stack.backward(dy)
        assert inner is not None
        return elementwise.add(dx, inner, out=dx)
