"""The arithmetic of the layers' matrix products, and the machine's peak at it."""

import math
import time

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Shape
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.fused import ConvReLUPool
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.windows import pair, window_positions
from mnist_trainer.layers.winograd import WinogradReLUPool

SIDE = 1024


def product_operations(layer: Layer, in_shape: Shape, batch: int) -> float:
    """Count the multiplications and additions of a layer's product in one direction; 0 for one without.

    2 N I U for a linear layer of U units, 2 N · OH · OW · KH · KW · C · F for a convolution, however it is computed:
    Winograd's algorithm does 2.25 times fewer, so its share of the peak can be above 1. Backward has this many for
    dL/dW, and as many again for dL/dx where it is needed.
    """
    if isinstance(layer, Linear):
        return 2.0 * batch * math.prod(layer.parameter_shapes()["weights"])
    if isinstance(layer, ConvReLUPool | WinogradReLUPool):
        layer = layer.conv
    if isinstance(layer, Conv2d):
        positions = window_positions(in_shape, pair(layer.kernel), pair(layer.stride), pair(layer.padding))
        return 2.0 * batch * math.prod(positions) * math.prod(layer.parameter_shapes()["weights"])
    return 0.0


class Peak:
    """Samples of how many operations a second a product of two large square matrices reaches."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._a, self._b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE)).astype(dtype)
        self._out = np.empty_like(self._a)
        self.sample()  # the first one makes the library's buffers

    def sample(self) -> float:
        """Multiply once; return operations a second."""
        started = time.perf_counter()
        np.matmul(self._a, self._b, out=self._out)
        return 2.0 * SIDE**3 / (time.perf_counter() - started)
