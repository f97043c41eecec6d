"""Operations of many rows with a number for each channel.

NumPy calls its loop for every row, and with few channels that takes most of the time. So many rows are taken side by
side as one, and so many copies of the channels' numbers: for 25,088 × 16 a product takes 83 µs instead of 177, for
100,352 × 6 134 instead of 533.
"""

import math

import numpy as np

from mnist_trainer.kernels.arrays import Array

MANY_ROWS = 1024
WIDTH = 512  # of the rows that are made


def over_rows(operation: np.ufunc, rows: Array, channels: Array, *, out: Array) -> Array:
    """Write operation(rows, channels) to `out`; rows and out are (M, C) or have more axes before C, channels (C,)."""
    width = len(channels)
    count = rows.size // width
    together = math.gcd(count, max(1, WIDTH // width)) if count >= MANY_ROWS else 1
    if together > 1 and rows.flags.c_contiguous and out.flags.c_contiguous:
        wide = (count // together, together * width)
        operation(rows.reshape(wide), np.tile(channels, together), out=out.reshape(wide))
    else:
        operation(rows, channels, out=out)
    return out
