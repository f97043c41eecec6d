"""The arrays that Winograd's convolution works in, for as many images as fit the cache."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array, empty
from mnist_trainer.kernels.convolution import SMALL_PRODUCT
from mnist_trainer.kernels.updates import blocks
from mnist_trainer.kernels.windows import Pair

TRANSFORM_BYTES = 1_700_000


@dataclass(frozen=True)
class WinogradRoom:
    """What a chunk of images, and the weights, are transformed in.

    What the images were transformed to is kept for backward, where the cache hardly holds it: to compute it again takes
    4 % of a step of `cnn`.
    """

    padded: Array  # (2, 2, TH + 1, TW + 1, N, C): even columns, odd ones; of these, even rows, odd ones
    halfway: Array  # (4, 2, TH + 1, TW, N, C): transformed across, not yet down; even rows, odd rows
    inputs: Array  # (chunks, 4, 4, TH, TW, N, C): D, from forward to backward, and then its gradient
    outputs: Array  # (4, 4, TH, TW, N, F): the products, or V
    weights: Array  # (4, 4, C, F): U
    transposed: Array  # (4, 4, F, C): Uᵀ, as a copy: products with it take 3.7 ms, with a transposed view 5.3
    weights_halfway: Array  # (4, 3, C, F)
    d_weights: Array  # (4, 4, C, F): dL/dU
    scratch: Array  # (4, 4, C, F)

    @classmethod
    def make(cls, tiles: Pair, channels: int, filters: int, max_batch: int, dtype: DTypeLike) -> "WinogradRoom":
        """Make the arrays, for `images_a_chunk` images."""
        down, across = tiles
        n = images_a_chunk(down * across, channels, filters, np.dtype(dtype).itemsize, max_batch)
        shapes = {
            "padded": (2, 2, down + 1, across + 1, n, channels),
            "halfway": (4, 2, down + 1, across, n, channels),
            "inputs": (-(-max_batch // n), 4, 4, down, across, n, channels),
            "outputs": (4, 4, down, across, n, filters),
            "weights": (4, 4, channels, filters),
            "transposed": (4, 4, filters, channels),
            "weights_halfway": (4, 3, channels, filters),
            "d_weights": (4, 4, channels, filters),
            "scratch": (4, 4, channels, filters),
        }
        return cls(**{name: empty(shape, dtype) for name, shape in shapes.items()})

    def chunks(self, x: Array) -> Iterator[tuple[slice, "WinogradRoom"]]:
        """Yield slices of the images x, as many at a time as fit the cache, and the room for each."""
        for index, part in enumerate(blocks(len(x), self.padded.shape[-2])):
            arrays = {"padded": self.padded, "halfway": self.halfway, "outputs": self.outputs}
            arrays["inputs"] = self.inputs[index]
            yield part, replace(self, **{name: first_images(array, part) for name, array in arrays.items()})


def images_a_chunk(tiles: int, channels: int, filters: int, itemsize: int, max_batch: int) -> int:
    """Tell how many images are worked on at a time: what stays in the cache, and makes small products.

    For cnn's second convolution that is 8; with 4, forward and backward take a tenth more, with 12 a fifth.
    """
    fit = TRANSFORM_BYTES // (16 * tiles * filters * itemsize)
    return min(max_batch, max(1, min(fit, SMALL_PRODUCT // (tiles * channels * filters))))


def first_images(array: Array, part: slice) -> Array:
    """Return a view of the array's memory as one of so many images as the slice has, on the last axis but one."""
    count = part.stop - part.start
    values = array.size // array.shape[-2] * count
    return array.reshape(-1)[:values].reshape(*array.shape[:-2], count, array.shape[-1])
