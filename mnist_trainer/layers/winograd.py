"""Convolution, ReLU and max-pooling in one, where Winograd's convolution applies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import buffer
from mnist_trainer.kernels import affine, pooled_winograd, winograd
from mnist_trainer.kernels.arrays import Array, Mask, Shape
from mnist_trainer.kernels.winograd_room import Room
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.pooling import MaxPool2d
from mnist_trainer.layers.windows import pair, window_positions


@dataclass(eq=False)
class WinogradReLUPool(Layer):
    """y = relu(pool(conv(x))), up to rounding, with kernels of 3×3 and pooling windows of 2×2.

    The convolution keeps its parameters; this borrows them.
    """

    conv: Conv2d
    pool: MaxPool2d

    _room: Room = buffer()
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _ones: Array = buffer()
    _wins: Mask = buffer()
    _mask: Mask = buffer()

    @staticmethod
    def fits(conv: Conv2d, pool: MaxPool2d, in_shape: Shape) -> bool:
        """Whether Winograd's convolution applies, and pays, and its tiles are the pooling windows."""
        kernel, stride, padding = pair(conv.kernel), pair(conv.stride), pair(conv.padding)
        return pair(pool.kernel) == (2, 2) and winograd.fits(in_shape, kernel, stride, padding, conv.filters)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers."""
        positions = window_positions(in_shape, pair(self.conv.kernel), (1, 1), pair(self.conv.padding))
        down, across = positions[0] // 2, positions[1] // 2
        shape = (down, across, self.conv.filters)
        self._room = Room.make((down, across), in_shape[2], self.conv.filters, max_batch, dtype)
        self._wins = np.empty((3, max_batch, *shape), np.bool_)
        self._mask = np.empty((max_batch, *shape), np.bool_)
        self._y = np.empty((max_batch, *shape), dtype)
        self._dx = np.empty((max_batch, *in_shape), dtype)
        self._ones = np.ones(max_batch * down * across, dtype)
        return shape

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the convolution's."""
        return self.conv.parameter_shapes()

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return max(0, pool(x ∗ W) + b)."""
        self._x = x
        parameters, padding = self.conv.parameters, pair(self.conv.padding)
        out, wins = self._y[: len(x)], self._wins[:, : len(x)]
        weights, bias = parameters["weights"], parameters.get("bias")
        return pooled_winograd.forward(x, weights, bias, padding, room=self._room, wins=wins, out=out)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW and dL/db, and return dL/dx, from dy · [y > 0] at each window's first maximum."""
        n = len(dy)
        dx = self._dx[:n] if need_dx else None
        pooled_winograd.gradients(
            self._x,
            self._y[:n],
            dy,
            self._wins[:, :n],
            self.conv.parameters["weights"],
            pair(self.conv.padding),
            room=self._room,
            mask=self._mask[:n],
            d_weights=self.conv.gradients["weights"],
            dx=dx,
        )
        if self.conv.bias:
            rows = dy.reshape(-1, self.conv.filters)
            affine.bias_gradient(rows, ones=self._ones[: len(rows)], out=self.conv.gradients["bias"])
        return dx
