"""The arrays that a convolution works in, for as many images as fit the cache."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array, Shape, blank, empty
from mnist_trainer.kernels.windows import Pair, positions

PATCH_BYTES = 1_500_000
KEPT_BYTES = 16_000_000
"""Up to this size, the patches of one channel are kept from forward to backward, before pooling.

Backward of lenet5's first convolution takes 0.78 ms with them, and 1.3 ms if they are copied once more. Those of its
second one are twice as large, and take 1.5 times as long to read again as to copy.
"""


@dataclass(frozen=True)
class ConvRoom:
    """How the windows lie, and the arrays that as many images as fit the cache are worked on in.

    With a `pool`, the patches of the pooling windows' first pixels come first, then those of their second ones, …;
    pixels beyond the last whole window are left out. Of one channel, a pooling window has a single patch, of all that
    its pixels depend on.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    pool: Pair
    padded: Array  # (chunk, H + 2 PH, W + 2 PW, C), zero on its border, unused without padding
    patches: Array  # (chunk, or all images, numbers in an image's patches)
    scratch: Array  # (columns of a patch, F)
    spread: Array  # (chunk, OH, W + KW − 1, F), zero where dy doesn't lie; without images where strides are above 1
    spread_patches: Array  # flat, as large as its windows of one row
    products: Array  # (chunk, OH, W, C); where strides are above 1, padded images
    flipped: Array  # (KH, KW, F, C)

    @property
    def strided(self) -> bool:
        """Whether windows are more than a pixel apart."""
        return self.stride != (1, 1)

    @classmethod
    def make(
        cls,
        in_shape: Shape,
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        filters: int,
        max_batch: int,
        dtype: DTypeLike,
        pool: Pair = (1, 1),
    ) -> "ConvRoom":
        """Make the arrays."""
        (height, width, channels), (kh, kw), item = in_shape, kernel, np.dtype(dtype).itemsize
        whole = zip(positions((height, width), kernel, stride, padding), pool, strict=True)
        down, across = (count - count % size for count, size in whole)
        columns, patches, spread_values = kh * kw * channels, down * across, down * width * kw * filters
        if channels == 1:
            columns, patches = math.prod(wide_kernel(kernel, stride, pool)), patches // math.prod(pool)
        outputs = down * across * filters
        chunk = images_a_chunk(max(patches * columns, outputs // 4), item, max_batch)  # outputs are walked less
        keeps = pool != (1, 1) and channels == 1 and max_batch * patches * columns * item <= KEPT_BYTES
        spread_chunk = chunk if pool != (1, 1) else images_a_chunk(spread_values, item, max_batch)
        products = (spread_chunk, down, width, channels)
        if stride != (1, 1):
            spread_chunk, products = 0, (chunk, height + 2 * padding[0], width + 2 * padding[1], channels)
        return cls(
            kernel,
            stride,
            padding,
            pool,
            padded=blank((chunk, height + 2 * padding[0], width + 2 * padding[1], channels), dtype),
            patches=empty((max_batch if keeps else chunk, patches * columns), dtype),
            scratch=empty((columns, filters), dtype),
            spread=blank((spread_chunk, down, width + kw - 1, filters), dtype),
            spread_patches=empty(spread_chunk * spread_values, dtype),
            products=empty(products, dtype),
            flipped=empty((kh, kw, filters, channels), dtype),
        )


def images_a_chunk(values: int, itemsize: int, max_batch: int) -> int:
    """Tell how many images, with patches of `values` numbers each, are worked on at a time: what stays in the cache.

    A step of cnn takes 44.6 ms with patches of up to 1.5 MB, 45.6 with 0.75 MB and 50.5 with 0.4 MB (L2: 1 MB).
    """
    return min(max_batch, max(1, PATCH_BYTES // (values * itemsize)))


def wide_kernel(kernel: Pair, stride: Pair, pool: Pair) -> Pair:
    """Return the size of what a pooling window depends on."""
    return kernel[0] + (pool[0] - 1) * stride[0], kernel[1] + (pool[1] - 1) * stride[1]
