"""Windows that slide over images: their geometry, views of them, and padding.

Shapes: images (N, H, W, C); a window is `kernel` = (KH, KW) pixels of all channels, moved by `stride` pixels over the
image with `padding` pixels around it; its positions are (OH, OW). Pairs are (vertical, horizontal).
"""

from typing import TypeAlias

from numpy.lib.stride_tricks import as_strided

from mnist_trainer.kernels.arrays import Array

Pair: TypeAlias = tuple[int, int]


def positions(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Return (OH, OW) = ⌊(size + 2 padding − kernel) / stride⌋ + 1; below 1 where the window doesn't fit."""
    down, across = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    return down, across


def windows(x: Array, kernel: Pair, stride: Pair) -> Array:
    """Return the view (N, OH, OW, KH, KW, C) of the windows of x, which overlap in memory: to be read only."""
    n, height, width, channels = x.shape
    down, across = positions((height, width), kernel, stride, (0, 0))
    images, rows, columns, values = x.strides
    strides = (images, rows * stride[0], columns * stride[1], rows, columns, values)
    return as_strided(x, (n, down, across, *kernel, channels), strides, writeable=False)


def pieces(x: Array, count: Pair, stride: Pair, width: int) -> Array:
    """Return the view (N, OH, OW, width, C) of the first pixels of windows of x, which don't overlap: to be written."""
    images, rows, columns, values = x.strides
    strides = (images, rows * stride[0], columns * stride[1], columns, values)
    return as_strided(x, (len(x), *count, width, x.shape[3]), strides)


def by_pixel(views: Array, pool: Pair) -> Array:
    """Return the view (DOWN, ACROSS, N, OH / DOWN, OW / ACROSS, …) of windows (N, OH, OW, …), in windows of their own.

    `pool` is (DOWN, ACROSS); what is beyond the last whole window is left out.
    """
    (down, across), (n, height, width), rest = pool, views.shape[:3], views.shape[3:]
    images, rows, columns, *others = views.strides
    shape = (down, across, n, height // down, width // across, *rest)
    return as_strided(views, shape, (rows, columns, images, rows * down, columns * across, *others), writeable=False)


def window_pixels(x: Array, kernel: Pair, stride: Pair) -> list[Array]:
    """List the views (N, OH, OW, C) of x that hold each window's first pixel, its second, …, row by row."""
    down, across = positions((x.shape[1], x.shape[2]), kernel, stride, (0, 0))
    return [
        x[:, i : i + stride[0] * (down - 1) + 1 : stride[0], j : j + stride[1] * (across - 1) + 1 : stride[1]]
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


def interior(padded: Array, padding: Pair) -> Array:
    """Return the view (N, H, W, C) inside the border of padded images (N, H + 2 PH, W + 2 PW, C)."""
    (down, across), (_, height, width, _) = padding, padded.shape
    return padded[:, down : height - down, across : width - across]
