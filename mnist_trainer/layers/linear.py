"""The fully connected layer."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import buffer, hyperparameter
from mnist_trainer.kernels import affine, random
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.layers.layer import Initializer, Layer


@dataclass(eq=False)
class Linear(Layer):
    """y = x W + b, with x (N, inputs), W (inputs, units), b (units,).

    Weights are drawn from a normal distribution of variance 2/inputs ("he", https://arxiv.org/abs/1502.01852),
    2/(inputs + units) ("glorot", https://proceedings.mlr.press/v9/glorot10a.html) or 1/inputs ("lecun", "Efficient
    BackProp", 1998); "auto" takes what suits the activation that follows. Biases start at 0.
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
    _parameters: Mapping[str, Array] = field(default_factory=dict, init=False, repr=False)
    _gradients: Mapping[str, Array] = field(default_factory=dict, init=False, repr=False)
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _ones: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be flat."""
        if len(in_shape) != 1:
            raise ConfigError(f"expects a flat input, and gets one of shape {in_shape}: put a `flatten` before it")
        (self._inputs,) = in_shape
        self._y = np.empty((max_batch, self.units), dtype)
        self._dx = np.empty((max_batch, self._inputs), dtype)
        self._ones = np.ones(max_batch, dtype)
        return (self.units,)

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of `weights` and, if there is one, `bias`."""
        shapes: dict[str, Shape] = {"weights": (self._inputs, self.units)}
        return shapes | {"bias": (self.units,)} if self.bias else shapes

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Take the views; draw the weights."""
        self._parameters, self._gradients = parameters, gradients
        initializer = self.followed_by if self.initializer == "auto" else self.initializer
        variance = {
            "he": 2 / self._inputs,
            "glorot": 2 / (self._inputs + self.units),
            "lecun": 1 / self._inputs,
        }[initializer]
        random.normal(rng, math.sqrt(variance), out=parameters["weights"])
        if self.bias:
            parameters["bias"].fill(0)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x W + b."""
        self._x = x
        return affine.affine(x, self._parameters["weights"], self._parameters.get("bias"), out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW = xᵀ dy and dL/db = Σ dy; return dL/dx = dy Wᵀ."""
        affine.weights_gradient(self._x, dy, out=self._gradients["weights"])
        if self.bias:
            affine.bias_gradient(dy, ones=self._ones[: len(dy)], out=self._gradients["bias"])
        if not need_dx:
            return None
        return affine.input_gradient(dy, self._parameters["weights"], out=self._dx[: len(dy)])
