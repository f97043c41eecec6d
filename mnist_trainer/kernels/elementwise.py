"""Sums, differences, products, copies and masks."""

import numpy as np

from mnist_trainer.kernels.arrays import Array, Mask


def add(a: Array, b: Array, *, out: Array) -> Array:
    """Write a + b to `out`."""
    return np.add(a, b, out=out)


def subtract(a: Array, b: Array, *, out: Array) -> Array:
    """Write a − b to `out`."""
    return np.subtract(a, b, out=out)


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
