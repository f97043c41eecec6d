"""Convolution, max-pooling and ReLU in one walk over the batch, a few images at a time, and their gradients.

What lies between convolution and pooling is the largest array of a network; here it never leaves the cache. Besides,
the bias and ReLU come after pooling, where there are a quarter as many numbers: neither changes which is largest.

A room computes the convolution, by plain products (`pooled_patches`) or Winograd's (`pooled_winograd`), as *planes*:
the first pixels of all pooling windows, all second ones, …, so that pooling is a maximum of long contiguous arrays.

Shapes: x (N, H, W, C), weights (KH, KW, C, F), y and dy (N, PH, PW, F); a plane (chunk, PH, PW, F), and so many `wins`
less one: where a window's pixel k + 1 is larger than all before it.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from mnist_trainer.kernels.activations import relu
from mnist_trainer.kernels.arrays import Array, Mask
from mnist_trainer.kernels.channels import over_rows

Chunk: TypeAlias = tuple[slice, Sequence[Array], Sequence[Mask]]


class PooledRoom(Protocol):
    """The arrays that a convolution needs, and the wins, from forward to backward."""

    def outputs(self, x: Array, weights: Array) -> Iterator[Chunk]:
        """Yield some images' slice, the planes of x ∗ w, and where their wins are to be written."""

    def gradients(self, x: Array, weights: Array, *, d_weights: Array, dx: Array | None) -> Iterator[Chunk]:
        """Yield some images' slice, planes for the gradient of x ∗ w, which are to be written, and the wins.

        Once after `outputs` of the same images: what these left is used up.
        In the end dL/dw is in `d_weights` and, where it is wanted, dL/dx in `dx`.
        """


def forward(x: Array, weights: Array, bias: Array | None, room: PooledRoom, *, out: Array) -> Array:
    """Write max(0, max over each window of (x ∗ w) + b) to `out`."""
    for part, planes, wins in room.outputs(x, weights):
        relu(maximum(planes, bias, wins=wins), out=out[part])
    return out


def gradients(x: Array, dy: Array, weights: Array, room: PooledRoom, *, d_weights: Array, dx: Array | None) -> None:
    """Write dL/dw to `d_weights` and, where it is wanted, dL/dx to `dx`, given dy · [y > 0]."""
    for part, planes, wins in room.gradients(x, weights, d_weights=d_weights, dx=dx):
        np.copyto(planes[0], dy[part])
        to_maximum(planes, wins)


def maximum(planes: Sequence[Array], bias: Array | None, *, wins: Sequence[Mask]) -> Array:
    """Return the planes' maximum plus the bias, in the first plane; set `wins`."""
    first, *others = planes
    for win, other in zip(wins, others, strict=True):
        np.greater(other, first, out=win)
        np.maximum(first, other, out=first)
    if bias is not None:
        over_rows(np.add, first, bias, out=first)
    return first


def to_maximum(planes: Sequence[Array], wins: Sequence[Mask]) -> None:
    """Give the first plane's values to each window's first maximum, zeros to its other pixels.

    Maxima are those of the planes as computed: what equal patches give may round apart, and another than the first is
    the largest then. Winograd's sums for a tile's four outputs are four different ones.
    The last pixel takes its own from what there is, then the one before it, …; the first gets what is left.
    """
    left, *others = planes
    for win, other in zip(wins[::-1], others[::-1], strict=True):
        np.multiply(left, win, out=other)
        np.subtract(left, other, out=left)
