"""The fully connected layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import affine
from mnist_trainer.kernels.arrays import Array, Shape, buffer, empty
from mnist_trainer.layers.initializers import initialise
from mnist_trainer.layers.layer import Initializer, Layer


@dataclass(eq=False)
class Linear(Layer):
    """y = x W + b, with x (N, inputs), W (inputs, units), b (units,).

    Weights start as `initializers` says; "auto" takes what suits the activation that follows. Biases start at 0.
    """

    units: int = hyperparameter(minimum=1)
    bias: bool = True
    initializer: Literal["auto", "he", "glorot", "lecun"] = hyperparameter(
        "auto", choices=("auto", "he", "glorot", "lecun")
    )

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    suits: ClassVar[Initializer | None] = "lecun"

    _inputs: int = field(default=0, init=False, repr=False)
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _scratch: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be flat."""
        if len(in_shape) != 1:
            raise ConfigError(f"expects a flat input, and gets one of shape {in_shape}: put a `flatten` before it")
        (self._inputs,) = in_shape
        self._y = empty((max_batch, self.units), dtype)
        self._dx = empty((max_batch, self._inputs), dtype)
        self._scratch = empty(affine.scratch_length(self._inputs, self.units, max_batch), dtype)
        return (self.units,)

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of `weights` and, if there is one, `bias`."""
        shapes: dict[str, Shape] = {"weights": (self._inputs, self.units)}
        return shapes | {"bias": (self.units,)} if self.bias else shapes

    def operations(self) -> int:
        """Count those of x W."""
        return 2 * self._inputs * self.units

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: "np.random.Generator") -> None:
        """Take the views; draw the weights."""
        super().bind(parameters, gradients, rng)
        initialise(parameters, self.followed_by if self.initializer == "auto" else self.initializer, rng)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x W + b."""
        self._x = x
        return affine.affine(x, self.parameters["weights"], self.parameters.get("bias"), out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW = xᵀ dy and dL/db = Σ dy; return dL/dx = dy Wᵀ."""
        affine.weights_gradient(self._x, dy, out=self.gradients["weights"])
        if self.bias:
            affine.bias_gradient(dy, out=self.gradients["bias"])
        if not need_dx:
            return None
        weights, dx = self.parameters["weights"], self._dx[: len(dy)]
        return affine.input_gradient(dy, weights, scratch=self._scratch, out=dx)
