"""The two-dimensional convolution."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import buffer, hyperparameter
from mnist_trainer.kernels import affine, convolution, random
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.kernels.windows import Pair
from mnist_trainer.layers.layer import Initializer, Layer
from mnist_trainer.layers.windows import check_pairs, pair, window_positions


@dataclass(eq=False)
class Conv2d(Layer):
    """y_nijf = Σ_klc x_n,si+k−p,sj+l−p,c W_klcf + b_f: a cross-correlation, as everywhere in the field.

    x is (N, H, W, C), W (KH, KW, C, filters), y (N, OH, OW, filters) with OH = ⌊(H + 2p − KH) / s⌋ + 1. Kernel, stride
    and padding (zeros) are one number, or two: vertical and horizontal. Weights start as `Linear`'s do, with KH·KW·C
    inputs and KH·KW·filters outputs.
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
    parameters: Mapping[str, Array] = field(default_factory=dict, init=False, repr=False)
    gradients: Mapping[str, Array] = field(default_factory=dict, init=False, repr=False)
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _ones: Array = buffer()
    _padded: Array = buffer()
    _patches: Array = buffer()
    _spread: Array = buffer()
    _spread_patches: Array = buffer()
    _products: Array = buffer()
    _flipped: Array = buffer()
    _scratch: Array = buffer()

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        super().__post_init__()
        check_pairs(kernel=self.kernel, stride=self.stride, padding=self.padding)
        self._kernel, self._stride, self._padding = pair(self.kernel), pair(self.stride), pair(self.padding)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be images, and the padded ones no smaller than the kernel."""
        down, across = window_positions(in_shape, self._kernel, self._stride, self._padding)
        height, width, self._channels = in_shape
        (kh, kw), (ph, pw), item = self._kernel, self._padding, np.dtype(dtype).itemsize
        values, spread_values = down * across * kh * kw * self._channels, down * width * kw * self.filters
        chunk = convolution.images_a_chunk(values, item, max_batch)
        spread_chunk = convolution.images_a_chunk(spread_values, item, max_batch)
        self._y = np.empty((max_batch, down, across, self.filters), dtype)
        self._dx = np.empty((max_batch, *in_shape), dtype)
        self._ones = np.ones(max_batch * down * across, dtype)
        self._padded = np.zeros((chunk, height + 2 * ph, width + 2 * pw, self._channels), dtype)
        self._patches = np.empty(chunk * values, dtype)
        self._spread = np.zeros((spread_chunk, down, width + kw - 1, self.filters), dtype)
        self._spread_patches = np.empty(spread_chunk * spread_values, dtype)
        self._products = np.empty((spread_chunk, down, width, self._channels), dtype)
        self._flipped = np.empty((kh, kw, self.filters, self._channels), dtype)
        self._scratch = np.empty((kh, kw, self._channels, self.filters), dtype)
        return (down, across, self.filters)

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of `weights` and, if there is one, `bias`."""
        shapes: dict[str, Shape] = {"weights": (*self._kernel, self._channels, self.filters)}
        return shapes | {"bias": (self.filters,)} if self.bias else shapes

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Take the views; draw the weights."""
        self.parameters, self.gradients = parameters, gradients
        area = math.prod(self._kernel)
        initializer = self.followed_by if self.initializer == "auto" else self.initializer
        variance = {
            "he": 2 / (area * self._channels),
            "glorot": 2 / (area * (self._channels + self.filters)),
            "lecun": 1 / (area * self._channels),
        }[initializer]
        random.normal(rng, math.sqrt(variance), out=parameters["weights"])
        if self.bias:
            parameters["bias"].fill(0)

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x ∗ W + b."""
        self._x = x
        return convolution.convolve(
            x,
            self.parameters["weights"],
            self.parameters.get("bias"),
            self._stride,
            self._padding,
            padded=self._padded,
            buffer=self._patches,
            out=self._y[: len(x)],
        )

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW = patchesᵀ dy and dL/db = Σ dy; return dL/dx, dy convolved with the flipped weights."""
        convolution.weights_gradient(
            self._x,
            dy,
            self._stride,
            self._padding,
            padded=self._padded,
            buffer=self._patches,
            scratch=self._scratch,
            out=self.gradients["weights"],
        )
        if self.bias:
            rows = dy.reshape(-1, self.filters)
            affine.bias_gradient(rows, ones=self._ones[: len(rows)], out=self.gradients["bias"])
        if not need_dx:
            return None
        return convolution.input_gradient(
            dy,
            convolution.flip(self.parameters["weights"], out=self._flipped),
            self._stride,
            self._padding,
            padded=self._spread,
            buffer=self._spread_patches,
            products=self._products,
            out=self._dx[: len(dy)],
        )
