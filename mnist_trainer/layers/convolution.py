"""The two-dimensional convolution."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import affine, convolution
from mnist_trainer.kernels.arrays import Array, Shape, buffer, empty
from mnist_trainer.kernels.convolution_room import ConvRoom
from mnist_trainer.kernels.windows import Pair
from mnist_trainer.layers.initializers import initialise
from mnist_trainer.layers.layer import Initializer, Layer
from mnist_trainer.layers.windows import as_pair, check_pairs, window_positions


@dataclass(eq=False)
class Conv2d(Layer):
    """y_nijf = Σ_klc x_n,si+k−p,sj+l−p,c W_klcf + b_f: a cross-correlation, as everywhere in the field.

    x is (N, H, W, C), W (KH, KW, C, filters), y (N, OH, OW, filters) with OH = ⌊(H + 2p − KH) / s⌋ + 1. Kernel, stride
    and padding (zeros) are one number, or two: vertical and horizontal. Weights start as `initializers` says.
    """

    filters: int = hyperparameter(minimum=1)
    kernel: int | tuple[int, int] = hyperparameter(minimum=1)
    stride: int | tuple[int, int] = hyperparameter(1, minimum=1)
    padding: int | tuple[int, int] = hyperparameter(0, minimum=0)
    bias: bool = True
    initializer: Literal["auto", "he", "glorot", "lecun"] = hyperparameter(
        "auto", choices=("auto", "he", "glorot", "lecun")
    )

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    suits: ClassVar[Initializer | None] = "lecun"

    _kernel: Pair = field(default=(1, 1), init=False, repr=False)
    _stride: Pair = field(default=(1, 1), init=False, repr=False)
    _padding: Pair = field(default=(0, 0), init=False, repr=False)
    _channels: int = field(default=0, init=False, repr=False)
    _room: ConvRoom = buffer()
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        super().__post_init__()
        check_pairs(kernel=self.kernel, stride=self.stride, padding=self.padding)
        self._kernel, self._stride, self._padding = as_pair(self.kernel), as_pair(self.stride), as_pair(self.padding)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be images, and the padded ones no smaller than the kernel."""
        shape = (*window_positions(in_shape, self._kernel, self._stride, self._padding), self.filters)
        self._channels = in_shape[2]
        self._room = ConvRoom.make(in_shape, self._kernel, self._stride, self._padding, self.filters, max_batch, dtype)
        self._y = empty((max_batch, *shape), dtype)
        self._dx = empty((max_batch, *in_shape), dtype)
        return shape

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of `weights` and, if there is one, `bias`."""
        shapes: dict[str, Shape] = {"weights": (*self._kernel, self._channels, self.filters)}
        return shapes | {"bias": (self.filters,)} if self.bias else shapes

    def operations(self) -> int:
        """Count those of the plain products, however it is computed: Winograd's algorithm does 2.25 times fewer."""
        return 2 * math.prod(self._kernel) * self._channels * math.prod(self._y.shape[1:])

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: "np.random.Generator") -> None:
        """Take the views; draw the weights."""
        super().bind(parameters, gradients, rng)
        initialise(parameters, self.followed_by if self.initializer == "auto" else self.initializer, rng)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x ∗ W + b."""
        self._x, weights, bias = x, self.parameters["weights"], self.parameters.get("bias")
        return convolution.convolve(x, weights, bias, self._room, out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW = patchesᵀ dy and dL/db = Σ dy; return dL/dx, dy convolved with the flipped weights."""
        convolution.weights_gradient(self._x, dy, self._room, out=self.gradients["weights"])
        if self.bias:
            affine.bias_gradient(dy, out=self.gradients["bias"])
        if not need_dx:
            return None
        return convolution.input_gradient(dy, self.parameters["weights"], self._room, out=self._dx[: len(dy)])
