"""The affine map y = x W + b and its gradients; shapes: x (N, I), W (I, O), b (O,), y (N, O)."""

import numpy as np

from mnist_trainer.kernels import elementwise
from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.sums import sum_rows

FEW_ROWS, WIDE = 64, 512


def affine(x: Array, weights: Array, bias: Array | None, *, out: Array) -> Array:
    """Write x W + b to `out`; without a bias, x W."""
    np.matmul(x, weights, out=out)
    if bias is not None:
        np.add(out, bias, out=out)
    return out


def input_gradient(dy: Array, weights: Array, *, scratch: Array, out: Array) -> Array:
    """Write dL/dx = dy Wᵀ to `out`, given dy = dL/dy; as (W dyᵀ)ᵀ where the flat `scratch` has room for W dyᵀ."""
    if out.size > len(scratch):
        return np.matmul(dy, weights.T, out=out)
    transposed = scratch[: out.size].reshape(len(weights), len(dy))
    return elementwise.copy(np.matmul(weights, dy.T, out=transposed).T, out=out)


def scratch_length(inputs: int, units: int, max_batch: int) -> int:
    """Return how long the scratch of `input_gradient` is: as few rows need, where weights are wide, or else 0.

    For these OpenBLAS's kernels for AVX-512 are quicker with (W dyᵀ)ᵀ: with weights of 512 × 512, 64 rows take 379
    instead of 443 µs, 32 rows 205 instead of 291. Those for AVX2 gain or lose 3 % by it; with narrower weights they
    would lose up to 11 %.
    """
    return inputs * min(FEW_ROWS, max_batch) if min(inputs, units) >= WIDE else 0


def weights_gradient(x: Array, dy: Array, *, out: Array) -> Array:
    """Write dL/dW = xᵀ dy to `out`, summed over the batch."""
    return np.matmul(x.T, dy, out=out)


def bias_gradient(dy: Array, *, out: Array) -> Array:
    """Write dL/db, the sum of dy over all axes but the last one, to `out`."""
    return sum_rows(dy.reshape(-1, dy.shape[-1]), out=out)
