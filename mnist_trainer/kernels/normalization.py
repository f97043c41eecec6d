"""Normalisation to mean 0 and variance 1, over the batch or over a row's features, and its gradients.

Shapes: x, y, dy and scratch are matrices (M, C); a channel's quantities are (C,), a row's (M, 1). The variance is the
mean of (x − mean)², computed from the centred values: E x² − (E x)² would lose all digits where the mean is large.

A batch may be in parts, that others have: what is a sum over its rows is then made whole by `add_up`, in place, and
`count` is how many rows there are in all.

A mean in float32 may be off by more than a small deviation from it. What the centred values sum to tells by how much,
and is taken from them. So values that are all the same leave zeros.
"""

from collections.abc import Callable

import numpy as np

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.channels import over_rows
from mnist_trainer.kernels.sums import row_average, sum_rows


def batch_statistics(
    x: Array,
    count: int,
    add_up: Callable[[Array], Array],
    *,
    scratch: Array,
    centred: Array,
    mean: Array,
    variance: Array,
) -> None:
    """Write each channel's mean and variance over the rows, and x − mean to `centred`."""

    def average(rows: Array, *, out: Array) -> Array:
        return np.divide(add_up(sum_rows(rows, out=out)), count, out=out)

    over_rows(np.subtract, x, average(x, out=mean), out=centred)
    rest = average(centred, out=variance)
    over_rows(np.subtract, centred, rest, out=centred)
    np.add(mean, rest, out=mean)
    np.multiply(centred, centred, out=scratch)
    average(scratch, out=variance)


def inverse_deviation(variance: Array, epsilon: float, *, out: Array) -> Array:
    """Write 1 / √(variance + ε) to `out`."""
    np.add(variance, epsilon, out=out)
    np.sqrt(out, out=out)
    return np.divide(1, out, out=out)


def move_towards(running: Array, new: Array, momentum: float, *, factor: float = 1.0, scratch: Array) -> Array:
    """Set running ← (1 − momentum) running + momentum · factor · new."""
    np.multiply(running, 1 - momentum, out=running)
    np.multiply(new, momentum * factor, out=scratch)
    return np.add(running, scratch, out=running)


def scale_and_shift(centred: Array, gain: Array, shift: Array, *, out: Array) -> Array:
    """Write centred · gain + shift to `out`."""
    over_rows(np.multiply, centred, gain, out=out)
    return over_rows(np.add, out, shift, out=out)


def batch_norm_gradients(
    centred: Array, inverse: Array, dy: Array, *, scratch: Array, d_scale: Array, d_shift: Array
) -> None:
    """Write dL/dscale = Σ dy · x̂ and dL/dshift = Σ dy, where x̂ = centred · inverse."""
    sum_rows(dy, out=d_shift)
    np.multiply(dy, centred, out=scratch)
    sum_rows(scratch, out=d_scale)
    np.multiply(d_scale, inverse, out=d_scale)


def batch_norm_input_gradient(
    centred: Array, inverse: Array, gain: Array, dy: Array, d_scale: Array, d_shift: Array, count: int
) -> Array:
    """Turn dy into gain · (dy − d_shift/M − x̂ · d_scale/M), M = count, in place.

    Overwrites `centred`, and d_scale and d_shift, which are those of the whole batch.
    """
    share = 1 / count
    np.multiply(d_scale, inverse, out=d_scale)
    np.multiply(d_scale, share, out=d_scale)
    over_rows(np.multiply, centred, d_scale, out=centred)
    np.subtract(dy, centred, out=dy)
    np.multiply(d_shift, share, out=d_shift)
    over_rows(np.subtract, dy, d_shift, out=dy)
    return over_rows(np.multiply, dy, gain, out=dy)


def normalise_rows(x: Array, epsilon: float, *, row: Array, inverse: Array, scratch: Array, out: Array) -> Array:
    """Write x̂ = (x − mean) / √(variance + ε) of each row to `out`, the inverse root to `inverse`."""
    np.subtract(x, row_average(x, out=row), out=out)
    np.subtract(out, row_average(out, out=row), out=out)
    np.multiply(out, out, out=scratch)
    inverse_deviation(row_average(scratch, out=row), epsilon, out=inverse)
    return np.multiply(out, inverse, out=out)


def normalise_rows_backward(normalised: Array, inverse: Array, dy: Array, *, row: Array, scratch: Array) -> Array:
    """Turn dy = dL/dx̂ into dL/dx = (dy − mean dy − x̂ · mean(dy · x̂)) / √(variance + ε) in place."""
    np.multiply(dy, normalised, out=scratch)
    np.multiply(normalised, row_average(scratch, out=row), out=scratch)
    np.subtract(dy, row_average(dy, out=row), out=dy)
    np.subtract(dy, scratch, out=dy)
    return np.multiply(dy, inverse, out=dy)
