"""Pooling over windows of images, and its gradients.

Shapes: x (N, H, W, C), padded where there is padding; y, dy, a mask and a scratch array (N, OH, OW, C).
"""

import numpy as np

from mnist_trainer.kernels.arrays import Array, Mask, ones
from mnist_trainer.kernels.windows import Pair, window_pixels


def max_pool(x: Array, kernel: Pair, stride: Pair, *, out: Array) -> Array:
    """Write the maximum of each window to `out`; NaN wins."""
    first, *others = window_pixels(x, kernel, stride)
    np.copyto(out, first)
    for pixel in others:
        np.maximum(out, pixel, out=out)
    return out


def max_pool_backward(
    x: Array, y: Array, dy: Array, kernel: Pair, stride: Pair, *, mask: Mask, scratch: Array, out: Array
) -> Array:
    """Write dL/dx to `out`: dy goes to the first of a window's maxima, row by row, as in PyTorch; overwrites dy."""
    out.fill(0)
    for pixel, gradient in zip(window_pixels(x, kernel, stride), window_pixels(out, kernel, stride), strict=True):
        np.equal(pixel, y, out=mask)
        np.multiply(dy, mask, out=scratch)
        np.add(gradient, scratch, out=gradient)
        np.subtract(dy, scratch, out=dy)  # what a maximum got, later ones don't get
    return out


def average_pool(x: Array, kernel: Pair, stride: Pair, *, out: Array) -> Array:
    """Write the mean of each window to `out`."""
    first, *others = window_pixels(x, kernel, stride)
    np.copyto(out, first)
    for pixel in others:
        np.add(out, pixel, out=out)
    return np.multiply(out, 1 / (kernel[0] * kernel[1]), out=out)


def average_pool_backward(dy: Array, kernel: Pair, stride: Pair, *, out: Array) -> Array:
    """Write dL/dx to `out`: every pixel of a window gets the same share of dy; overwrites dy."""
    out.fill(0)
    np.multiply(dy, 1 / (kernel[0] * kernel[1]), out=dy)
    for gradient in window_pixels(out, kernel, stride):
        np.add(gradient, dy, out=gradient)
    return out


def global_average(x: Array, *, out: Array) -> Array:
    """Write the mean over all pixels to `out` (N, C)."""
    n, height, width, channels = x.shape
    pixels = height * width
    np.matmul(ones(pixels, x.dtype), x.reshape(n, pixels, channels), out=out)
    np.multiply(out, 1 / pixels, out=out)
    return out


def global_average_backward(dy: Array, *, out: Array) -> Array:
    """Write dL/dx to `out` (N, H, W, C): every pixel gets dy / (H·W); overwrites dy (N, C)."""
    np.multiply(dy, 1 / (out.shape[1] * out.shape[2]), out=dy)
    np.copyto(out, dy[:, None, None, :])
    return out
