"""The residual connection."""

from dataclasses import dataclass
from typing import ClassVar

from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels import elementwise
from mnist_trainer.kernels.arrays import Array, Shape, buffer, empty
from mnist_trainer.layers.layer import Initializer
from mnist_trainer.layers.stack import Stack


@dataclass(eq=False)
class Residual(Stack):
    """y = x + f(x), f being the layers' stack, whose output has the shape of its input.

    He et al., "Deep residual learning" (https://arxiv.org/abs/1512.03385).
    """

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    suits: ClassVar[Initializer | None] = "lecun"

    _y: Array = buffer()
    _dx: Array = buffer()

    def __post_init__(self) -> None:
        """Refuse an empty list of layers."""
        super().__post_init__()
        if not self.layers:
            raise ConfigError("layers is empty: a residual connection needs at least one layer")

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Build the stack; its output must have the input's shape."""
        out_shape = super().build(in_shape, max_batch, dtype)
        if out_shape != in_shape:
            raise ConfigError(f"its layers turn shape {in_shape} into {out_shape}: x + f(x) needs the same shape")
        self._y = empty((max_batch, *in_shape), dtype)
        self._dx = empty((max_batch, *in_shape), dtype)
        return in_shape

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x + f(x)."""
        return elementwise.add(x, super().forward(x, training=training), out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy + the stack's dL/dx; the stack may overwrite dy, so a copy keeps it."""
        if not need_dx:
            return super().backward(dy, need_dx=False)
        dx = elementwise.copy(dy, out=self._dx[: len(dy)])
        inner = super().backward(dy)
        assert inner is not None
        return elementwise.add(dx, inner, out=dx)
