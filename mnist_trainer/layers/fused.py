"""Layers that compute quicker together than one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels import activations, affine, pooled_convolution, winograd
from mnist_trainer.kernels.arrays import Array, Mask, Shape, buffer, empty
from mnist_trainer.kernels.pooled_patches import PooledPatchRoom
from mnist_trainer.kernels.pooled_winograd import PooledWinogradRoom
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.pooling import MaxPool2d
from mnist_trainer.layers.windows import as_pair, window_positions


@dataclass(eq=False)
class ConvReLUPool(Layer):
    """y = pool(relu(conv(x))), computed as relu(pool(conv(x))): the same up to rounding, with less to do.

    By Winograd's convolution, where that applies and pays. The convolution keeps its parameters; this borrows them.
    """

    conv: Conv2d
    relu: ReLU
    pool: MaxPool2d

    samplewise: ClassVar[bool] = True

    room: PooledPatchRoom | PooledWinogradRoom = buffer()
    _x: Array = buffer()
    _y: Array = buffer()
    _dx: Array = buffer()
    _mask: Mask = buffer()

    @property
    def layers(self) -> Sequence[Layer]:
        """The layers that this one stands for."""
        return self.conv, self.relu, self.pool

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers."""
        kernel, padding, pool = as_pair(self.conv.kernel), as_pair(self.conv.padding), as_pair(self.pool.kernel)
        filters = self.conv.filters
        positions = window_positions(in_shape, kernel, (1, 1), padding)
        shape = (*window_positions((*positions, filters), pool, pool, (0, 0)), filters)
        quick = pool == (2, 2) and winograd.winograd_fits(in_shape, kernel, (1, 1), padding, filters)
        make = PooledWinogradRoom.make if quick else PooledPatchRoom.make
        self.room = make(in_shape, kernel, padding, pool, filters, max_batch, dtype)
        self._y = empty((max_batch, *shape), dtype)
        self._mask = empty((max_batch, *shape), np.bool_)
        self._dx = empty((max_batch, *in_shape), dtype)
        return shape

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the convolution's."""
        return self.conv.parameter_shapes()

    def operations(self) -> int:
        """Count the convolution's."""
        return self.conv.operations()

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return max(0, pool(x ∗ W) + b)."""
        self._x, parameters = x, self.conv.parameters
        y = self._y[: len(x)]
        return pooled_convolution.forward(x, parameters["weights"], parameters.get("bias"), self.room, out=y)

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set dL/dW and dL/db, and return dL/dx, from dy · [y > 0] at each window's first maximum.

        As computed: what is equal in exact arithmetic may round apart, as it does under Winograd's algorithm.
        """
        n, weights, gradients = len(dy), self.conv.parameters["weights"], self.conv.gradients
        dx = self._dx[:n] if need_dx else None
        activations.relu_backward(self._y[:n], dy, mask=self._mask[:n])
        pooled_convolution.gradients(self._x, dy, weights, self.room, d_weights=gradients["weights"], dx=dx)
        if self.conv.bias:
            affine.bias_gradient(dy, out=gradients["bias"])
        return dx


def fused_layers(layers: Sequence[Layer]) -> ConvReLUPool | None:
    """Make the first of the layers into one that is still to be built, if they compute quicker together.

    These are a convolution of stride 1 without an idle border, ReLU, and pooling windows that lie side by side.
    """
    if [type(layer) for layer in layers[:3]] != [Conv2d, ReLU, MaxPool2d]:  # a subclass may compute something else
        return None
    conv, relu, pool = layers[:3]
    assert isinstance(conv, Conv2d)
    assert isinstance(relu, ReLU)
    assert isinstance(pool, MaxPool2d)
    side_by_side = as_pair(pool.padding) == (0, 0) and pool.stride in (None, pool.kernel)
    within = all(p < k for p, k in zip(as_pair(conv.padding), as_pair(conv.kernel), strict=True))
    fits = side_by_side and within and as_pair(conv.stride) == (1, 1)
    return ConvReLUPool(conv, relu, pool) if fits else None
