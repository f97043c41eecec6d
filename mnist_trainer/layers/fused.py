"""Layers that compute quicker together than one after the other."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import buffer
from mnist_trainer.kernels import affine, convolution, pooled_convolution
from mnist_trainer.kernels.arrays import Array, Mask, Shape
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.pooling import MaxPool2d
from mnist_trainer.layers.windows import pair, window_positions
from mnist_trainer.layers.winograd import WinogradReLUPool


@dataclass(eq=False)
class ConvReLUPool(Layer):
    """y = pool(relu(conv(x))), computed as relu(pool(conv(x))): the same up to rounding, with less to do.

    The convolution keeps its parameters; this borrows them.
    """

    conv: Conv2d
    pool: MaxPool2d

    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _ones: Array = buffer()
    _padded: Array = buffer()
    _patches: Array = buffer()
    _planes: Array = buffer()
    _wins: Mask = buffer()
    _mask: Mask = buffer()
    _spread: Array = buffer()
    _spread_patches: Array = buffer()
    _products: Array = buffer()
    _flipped: Array = buffer()
    _shifted: Array | None = buffer()
    _scratch: Array = buffer()

    @staticmethod
    def fits(conv: Conv2d, pool: MaxPool2d) -> bool:
        """Whether the convolution has stride 1 and no idle border, and the pooling windows lie side by side."""
        side_by_side = pair(pool.padding) == (0, 0) and pool.stride in (None, pool.kernel)
        within = all(p < k for p, k in zip(pair(conv.padding), pair(conv.kernel), strict=True))
        return side_by_side and within and pair(conv.stride) == (1, 1)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers."""
        (kh, kw), (ph, pw), item = pair(self.conv.kernel), pair(self.conv.padding), np.dtype(dtype).itemsize
        height, width, channels = in_shape
        filters, pool = self.conv.filters, pair(self.pool.kernel)
        positions = window_positions(in_shape, (kh, kw), (1, 1), (ph, pw))
        down, across, _ = shape = (*window_positions((*positions, filters), pool, pool, (0, 0)), filters)
        pixels = pool[0] * pool[1]
        values, rows = pixels * down * across * kh * kw * channels, down * pool[0]
        chunk = convolution.images_a_chunk(values, item, max_batch)
        self._padded = np.zeros((chunk, height + 2 * ph, width + 2 * pw, channels), dtype)
        self._patches = np.empty(convolution.room((kh, kw), pool, channels, chunk * down * across), dtype)
        self._planes = np.empty((pixels, chunk, *shape), dtype)
        self._wins = np.empty((pixels - 1, max_batch, *shape), np.bool_)
        self._mask = np.empty((max_batch, *shape), np.bool_)
        self._y = np.empty((max_batch, *shape), dtype)
        self._ones = np.ones(max_batch * down * across, dtype)
        self._dx = np.empty((max_batch, *in_shape), dtype)
        self._spread = np.zeros((chunk, rows, width + kw - 1, filters), dtype)
        self._spread_patches = np.empty(chunk * rows * width * kw * filters, dtype)
        self._products = np.empty((chunk, rows, width, channels), dtype)
        self._flipped = np.empty((kh, kw, filters, channels), dtype)
        matrix = (math.prod(convolution.wide((kh, kw), pool)) if channels == 1 else kh * kw * channels, filters)
        self._shifted = np.empty((pixels, *matrix), dtype) if channels == 1 else None
        self._scratch = np.empty(matrix, dtype)
        return shape

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the convolution's."""
        return self.conv.parameter_shapes()

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return max(0, pool(x ∗ W) + b)."""
        self._x = x
        return pooled_convolution.forward(
            x,
            self.conv.parameters["weights"],
            self.conv.parameters.get("bias"),
            pair(self.conv.padding),
            pair(self.pool.kernel),
            padded=self._padded,
            buffer=self._patches,
            planes=self._planes,
            shifted=self._shifted,
            wins=self._wins,
            out=self._y[: len(x)],
        )

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW and dL/db, and return dL/dx, from dy · [y > 0] at each window's first maximum."""
        n = len(dy)
        weights = self.conv.parameters["weights"]
        pooled_convolution.gradients(
            self._x,
            self._y[:n],
            dy,
            self._wins,
            convolution.flip(weights, out=self._flipped) if need_dx else None,
            pair(self.conv.padding),
            pair(self.pool.kernel),
            padded=self._padded,
            buffer=self._patches,
            planes=self._planes,
            spread=self._spread,
            spread_buffer=self._spread_patches,
            products=self._products,
            shifted=self._shifted,
            mask=self._mask[:n],
            scratch=self._scratch,
            d_weights=self.conv.gradients["weights"],
            dx=self._dx[:n],
        )
        if self.conv.bias:
            rows = dy.reshape(-1, self.conv.filters)
            affine.bias_gradient(rows, ones=self._ones[: len(rows)], out=self.conv.gradients["bias"])
        return self._dx[:n] if need_dx else None


def fused(layers: Sequence[Layer], in_shapes: Sequence[Shape]) -> list[Layer]:
    """List the layers, every sequence that computes quicker together as one, which is still to be built."""
    steps: list[Layer] = []
    index = 0
    while index < len(layers):
        together = convolution_with_pooling(layers[index : index + 3], in_shapes[index])
        steps.append(together or layers[index])
        index += 3 if together else 1
    return steps


def convolution_with_pooling(layers: Sequence[Layer], in_shape: Shape) -> ConvReLUPool | WinogradReLUPool | None:
    """Make a convolution, ReLU and pooling into one layer, if that is what these three are."""
    if len(layers) < 3:
        return None
    conv, relu, pool = layers  # exactly these types: a subclass may compute something else
    if type(conv) is not Conv2d or type(relu) is not ReLU or type(pool) is not MaxPool2d:
        return None
    if not ConvReLUPool.fits(conv, pool):
        return None
    return WinogradReLUPool(conv, pool) if WinogradReLUPool.fits(conv, pool, in_shape) else ConvReLUPool(conv, pool)
