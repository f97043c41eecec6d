"""Elementwise activations; every backward takes dy = dL/dy, overwrites it with dL/dx, and says what it needs.

All but GELU compute their derivative from their output, so that `out` may be `x` itself.
"""

import math

import numpy as np

from mnist_trainer.kernels.arrays import Array, Mask, zeros

GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


def relu(x: Array, *, out: Array) -> Array:
    """Write max(x, 0) to `out`.

    NumPy compares two arrays with SIMD instructions, an array and a number without: 9 against 26 µs at 128 × 512, and
    0.9 against 2.3 µs at 32 × 128.
    """
    return np.maximum(x, zeros(x.shape, x.dtype), out=out)


def relu_backward(y: Array, dy: Array, *, mask: Mask) -> Array:
    """Turn dy into dy · [y > 0] in place; the derivative at the kink x = 0 is taken as 0.

    Multiplying by the mask costs a tenth of `np.copyto(dy, 0, where=mask)`: 32 against 412 µs at 128 × 512.
    """
    np.greater(y, 0, out=mask)
    return np.multiply(dy, mask, out=dy)


def leaky_relu(x: Array, slope: float, *, scratch: Array, out: Array) -> Array:
    """Write max(x, 0) + slope · min(x, 0) to `out`, as max(x, slope · x), which is the same for slope < 1."""
    np.multiply(x, slope, out=scratch)
    return np.maximum(x, scratch, out=out)


def leaky_relu_backward(y: Array, dy: Array, slope: float, *, mask: Mask, scratch: Array) -> Array:
    """Turn dy into dy where y > 0, slope · dy elsewhere, in place; 0 < slope keeps the sign of x in y."""
    np.greater(y, 0, out=mask)
    np.multiply(mask, 1 - slope, out=scratch)
    np.add(scratch, slope, out=scratch)
    return np.multiply(dy, scratch, out=dy)


def tanh(x: Array, *, out: Array) -> Array:
    """Write tanh x to `out`."""
    return np.tanh(x, out=out)


def tanh_backward(y: Array, dy: Array, *, scratch: Array) -> Array:
    """Turn dy into dy · (1 − y²) in place."""
    np.multiply(y, y, out=scratch)
    np.subtract(1, scratch, out=scratch)
    return np.multiply(dy, scratch, out=dy)


def sigmoid(x: Array, *, out: Array) -> Array:
    """Write 1 / (1 + e⁻ˣ) to `out`, as (1 + tanh(x/2)) / 2, which can't overflow."""
    np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    return np.add(out, 0.5, out=out)


def sigmoid_backward(y: Array, dy: Array, *, scratch: Array) -> Array:
    """Turn dy into dy · y(1 − y) in place."""
    np.subtract(1, y, out=scratch)
    np.multiply(scratch, y, out=scratch)
    return np.multiply(dy, scratch, out=dy)


def gelu(x: Array, *, inner: Array, out: Array) -> Array:
    """Write ½ x (1 + tanh u) to `out` and tanh u to `inner`, where u = √(2/π) (x + 0.044715 x³).

    The tanh form of GELU (https://arxiv.org/abs/1606.08415); `out` must not be `x`, which backward needs.
    """
    np.multiply(x, x, out=inner)
    np.multiply(inner, GELU_SCALE * GELU_CUBIC, out=inner)
    np.add(inner, GELU_SCALE, out=inner)
    np.multiply(inner, x, out=inner)
    np.tanh(inner, out=inner)
    np.add(inner, 1, out=out)
    np.multiply(out, x, out=out)
    return np.multiply(out, 0.5, out=out)


def gelu_backward(x: Array, inner: Array, dy: Array, *, scratch: Array) -> Array:
    """Turn dy into dy · ½ (1 + tanh u)(1 + x (1 − tanh u) du/dx) in place; overwrites `inner`, which is tanh u."""
    np.multiply(x, x, out=scratch)
    np.multiply(scratch, 3 * GELU_SCALE * GELU_CUBIC, out=scratch)
    np.add(scratch, GELU_SCALE, out=scratch)
    np.multiply(scratch, x, out=scratch)  # x · du/dx
    np.subtract(1, inner, out=inner)
    np.multiply(scratch, inner, out=scratch)
    np.add(scratch, 1, out=scratch)
    np.subtract(2, inner, out=inner)  # 1 + tanh u
    np.multiply(scratch, inner, out=scratch)
    np.multiply(scratch, 0.5, out=scratch)
    return np.multiply(dy, scratch, out=dy)
