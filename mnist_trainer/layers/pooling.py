"""Pooling: the maximum or the mean over windows of each channel, or the mean over the whole image."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import elementwise, pooling
from mnist_trainer.kernels.arrays import Array, Mask, Shape, buffer, empty
from mnist_trainer.kernels.windows import Pair, interior
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.windows import as_pair, check_pairs, window_positions


@dataclass(eq=False)
class Pool2d(Layer):
    """Base: windows of `kernel` pixels, moved by `stride` (default: the kernel), over x (N, H, W, C).

    Kernel, stride and padding are one number, or two: vertical and horizontal. The padding is at most half the
    kernel; windows that would reach beyond it are left out.
    """

    kernel: int | tuple[int, int] = hyperparameter(minimum=1)
    stride: int | tuple[int, int] | None = hyperparameter(None, minimum=1)
    padding: int | tuple[int, int] = hyperparameter(0, minimum=0)

    border: ClassVar[float] = 0.0

    _kernel: Pair = field(default=(1, 1), init=False, repr=False)
    _stride: Pair = field(default=(1, 1), init=False, repr=False)
    _padding: Pair = field(default=(0, 0), init=False, repr=False)
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _padded: Array = buffer()

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        super().__post_init__()
        stride = self.kernel if self.stride is None else self.stride
        check_pairs(kernel=self.kernel, stride=stride, padding=self.padding)
        self._kernel, self._stride, self._padding = as_pair(self.kernel), as_pair(stride), as_pair(self.padding)
        if any(2 * p > k for p, k in zip(self._padding, self._kernel, strict=True)):
            raise ConfigError(f"padding={self.padding} is more than half of kernel={self.kernel}")

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be images, and the padded ones no smaller than the kernel."""
        down, across = window_positions(in_shape, self._kernel, self._stride, self._padding)
        height, width, channels = in_shape
        shape = (max_batch, height + 2 * self._padding[0], width + 2 * self._padding[1], channels)
        self._padded = np.full(shape if any(self._padding) else (0,), self.border, dtype)
        self._dx = empty(shape, dtype)
        self._y = empty((max_batch, down, across, channels), dtype)
        return (down, across, channels)

    def _with_border(self, x: Array) -> Array:
        if not any(self._padding):
            return x
        padded = self._padded[: len(x)]
        elementwise.copy(x, out=interior(padded, self._padding))
        return padded


@dataclass(eq=False)
class MaxPool2d(Pool2d):
    """y is the maximum of each window; the padding never wins.

    The gradient goes to the first of equal maxima, row by row, as in PyTorch: blank borders make ties common. Computed
    together with a convolution before it (`layers.fused`), what is equal may have been rounded apart.
    """

    samplewise: ClassVar[bool] = True
    border: ClassVar[float] = -np.inf

    _scratch: Array = buffer()
    _mask: Mask = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers."""
        out_shape = super().build(in_shape, max_batch, dtype)
        self._scratch = empty((max_batch, *out_shape), dtype)
        self._mask = empty((max_batch, *out_shape), np.bool_)
        return out_shape

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the windows' maxima."""
        self._x = self._with_border(x)
        return pooling.max_pool(self._x, self._kernel, self._stride, out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy at each window's first maximum, summed over the windows."""
        n = len(dy)
        dx = pooling.max_pool_backward(
            self._x,
            self._y[:n],
            dy,
            self._kernel,
            self._stride,
            mask=self._mask[:n],
            scratch=self._scratch[:n],
            out=self._dx[:n],
        )
        return interior(dx, self._padding)


@dataclass(eq=False)
class AvgPool2d(Pool2d):
    """y is the mean of each window; the padding counts as zeros, as in PyTorch."""

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the windows' means."""
        return pooling.average_pool(self._with_border(x), self._kernel, self._stride, out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return each window's share of dy, summed over the windows."""
        dx = pooling.average_pool_backward(dy, self._kernel, self._stride, out=self._dx[: len(dy)])
        return interior(dx, self._padding)


@dataclass(eq=False)
class GlobalAvgPool(Layer):
    """y (N, C) is the mean of each channel over the image x (N, H, W, C)."""

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False

    _y: Array = buffer()
    _dx: Array = buffer()

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers; the input must be images."""
        window_positions(in_shape, (1, 1), (1, 1), (0, 0))
        self._y = empty((max_batch, in_shape[2]), dtype)
        self._dx = empty((max_batch, *in_shape), dtype)
        return in_shape[2:]

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the channels' means."""
        return pooling.global_average(x, out=self._y[: len(x)])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy / (H·W) at every pixel."""
        return pooling.global_average_backward(dy, out=self._dx[: len(dy)])
