"""Sums, products, copies and masks."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mnist_trainer.kernels.arrays import Array, Mask


def add(a: Array, b: Array, *, out: Array) -> Array:
    """Write a + b to `out`."""
    return np.add(a, b, out=out)


def multiply(a: Array, b: Array, *, out: Array) -> Array:
    """Write a · b, element by element, to `out`."""
    return np.multiply(a, b, out=out)


def copy(a: Array, *, out: Array) -> Array:
    """Write a to `out`."""
    np.copyto(out, a)
    return out


def masked(x: Array, mask: Mask, factor: float, *, out: Array) -> Array:
    """Write factor · x · mask to `out`."""
    np.multiply(x, mask, out=out)
    return np.multiply(out, factor, out=out)


@contextmanager
def unbuffered_ufuncs() -> Iterator[None]:
    """Let NumPy's additions and the like read and write strided arrays in place.

    Where runs are shorter than a third of its buffer of 8192 numbers, NumPy copies operands there and results from
    there: a sum of two arrays of 28 rows of 1792 numbers takes 20 µs instead of 7. Not for operands of several types,
    which are converted in the buffer.
    """
    size = np.setbufsize(16)
    try:
        yield
    finally:
        np.setbufsize(size)
