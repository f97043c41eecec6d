"""Winograd's convolution F(2×2, 3×3): four outputs of a 3×3 convolution from 16 multiplications instead of 36.

The padded images are cut into tiles of 4×4 pixels that overlap by two, one for each 2×2 outputs. With d a tile, g the
kernel, and ⊙ the product entry by entry, which the sum over the channels makes 16 matrix products,

    y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A      (https://arxiv.org/abs/1509.09308)

    Bᵀ d = (d₀ − d₂, d₁ + d₂, d₂ − d₁, d₃ − d₁),   Aᵀ m = (m₀ + m₁ + m₂, m₁ − m₂ + m₃),
    G g = (g₀, (g₀ + g₁ + g₂) / 2, (g₀ − g₁ + g₂) / 2, g₂)

down and across. The gradients are the same maps transposed, and share D = Bᵀ d B and V = A dy Aᵀ: dL/dw is Gᵀ (Dᵀ V) G,
and dL/dx the sum of the tiles B (V Uᵀ) Bᵀ, with U = G g Gᵀ.

All is additions but for G's halves, which are exact. A tile's pixels outside a window cancel up to rounding: errors
are bounded by the largest sum of an image rather than by each one's own. For cnn's second convolution in float32, their
root mean square is 1.8e-7 of y's and 2.7e-7 of dL/dx's, as with plain products, and 5.3e-7 of dL/dw's, against 1.7e-7.

Shapes: weights (3, 3, C, F); padded images (2 TH + 2, 2 TW + 2, N, C), the images of a chunk side by side, so that
additions run along N · C numbers or more; transforms (4, 4, TH, TW, N, channels).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.kernels.convolution import SMALL_PRODUCT
from mnist_trainer.kernels.updates import blocks
from mnist_trainer.kernels.windows import Pair, positions

TRANSFORM_BYTES = 1_700_000
FEW_CHANNELS = 16


def fits(in_shape: Shape, kernel: Pair, stride: Pair, padding: Pair, filters: int) -> bool:
    """Whether it applies, and pays: kernels of 3×3, stride 1, an even number of outputs, and not too few channels."""
    height, width, channels = in_shape
    down, across = positions((height, width), kernel, stride, padding)
    applies = kernel == (3, 3) and stride == (1, 1) and down % 2 == across % 2 == 0 and min(down, across) > 0
    return applies and min(channels, filters) >= FEW_CHANNELS


@dataclass(frozen=True)
class Room:
    """What a chunk of images, and the weights, are transformed in."""

    padded: Array  # (2 TH + 2, 2 TW + 2, N, C): the images, or their gradient
    halfway: Array  # (4, 2 TH + 2, TW, N, C): transformed across, not yet down
    inputs: Array  # (4, 4, TH, TW, N, C): D, or its gradient
    outputs: Array  # (4, 4, TH, TW, N, F): the products, or V
    weights: Array  # (4, 4, C, F): U
    transposed: Array  # (4, 4, F, C): Uᵀ, as a copy: products with it take 3.7 ms, with a transposed view 5.3
    weights_halfway: Array  # (4, 3, C, F)
    d_weights: Array  # (4, 4, C, F): dL/dU
    scratch: Array  # (4, 4, C, F)

    @classmethod
    def make(cls, tiles: Pair, channels: int, filters: int, max_batch: int, dtype: DTypeLike) -> "Room":
        """Make the arrays, for `images_a_chunk` images."""
        down, across = tiles
        n = images_a_chunk(down * across, channels, filters, np.dtype(dtype).itemsize, max_batch)
        shapes = {
            "padded": (2 * down + 2, 2 * across + 2, n, channels),
            "halfway": (4, 2 * down + 2, across, n, channels),
            "inputs": (4, 4, down, across, n, channels),
            "outputs": (4, 4, down, across, n, filters),
            "weights": (4, 4, channels, filters),
            "transposed": (4, 4, filters, channels),
            "weights_halfway": (4, 3, channels, filters),
            "d_weights": (4, 4, channels, filters),
            "scratch": (4, 4, channels, filters),
        }
        return cls(**{name: np.empty(shape, dtype) for name, shape in shapes.items()})

    def chunks(self, x: Array) -> Iterator[tuple[slice, "Room"]]:
        """Yield slices of the images x, as many at a time as there is room for, and the room for each."""
        for part in blocks(len(x), self.padded.shape[2]):
            count = part.stop - part.start
            yield (
                part,
                replace(
                    self,
                    padded=first_images(self.padded, count),
                    halfway=first_images(self.halfway, count),
                    inputs=first_images(self.inputs, count),
                    outputs=first_images(self.outputs, count),
                ),
            )


def images_a_chunk(tiles: int, channels: int, filters: int, itemsize: int, max_batch: int) -> int:
    """Tell how many images are worked on at a time: what stays in the cache, and makes small products.

    For cnn's second convolution that is 8. Forward and backward take 22.3 ms, 23.3 with 6, 24.7 with 4, 26.4 with 12.
    """
    fit = TRANSFORM_BYTES // (16 * tiles * filters * itemsize)
    return min(max_batch, max(1, min(fit, SMALL_PRODUCT // (tiles * channels * filters))))


def first_images(array: Array, count: int) -> Array:
    """Return a view of the array's memory as one of `count` images on the last axis but one."""
    values = array.size // array.shape[-2] * count
    return array.reshape(-1)[:values].reshape(*array.shape[:-2], count, array.shape[-1])


def matrices(transform: Array) -> Array:
    """Return the view (4, 4, TH · TW · N, channels) of a transform."""
    return transform.reshape(4, 4, -1, transform.shape[-1])


def transform_weights(weights: Array, room: Room) -> None:
    """Write U = G w Gᵀ, and its transpose, to the room."""
    halfway, out = room.weights_halfway, room.weights
    for g, target in ((weights, halfway), (halfway.swapaxes(0, 1), out.swapaxes(0, 1))):
        np.copyto(target[::3], g[::2])
        np.add(g[0], g[2], out=target[1])
        np.subtract(target[1], g[1], out=target[2])
        np.add(target[1], g[1], out=target[1])
        np.multiply(target[1:3], 0.5, out=target[1:3])
    np.copyto(room.transposed, out.swapaxes(2, 3))


def weights_gradient(room: Room, *, out: Array) -> Array:
    """Write dL/dw = Gᵀ · dL/dU · G to `out` (3, 3, C, F); overwrites dL/dU in the room."""
    halfway = room.weights_halfway
    for u, target in ((room.d_weights, halfway.swapaxes(0, 1)), (halfway, out.swapaxes(0, 1))):
        np.multiply(u[1:3], 0.5, out=u[1:3])
        np.subtract(u[1], u[2], out=target[1])
        np.add(u[1], u[2], out=u[1])
        np.add(u[::3], u[1], out=target[::2])
    return out


def outputs(x: Array, padding: Pair, room: Room) -> list[Array]:
    """Return x ∗ w as four planes (TH, TW, N, F) of the room: the 2×2 outputs of all tiles."""
    np.matmul(transform_input(x, padding, room), room.weights, out=matrices(room.outputs))
    for m in (room.outputs, room.outputs[:2].swapaxes(0, 1)):
        np.add(m[0], m[1], out=m[0])
        np.add(m[0], m[2], out=m[0])
        np.subtract(m[1], m[2], out=m[1])
        np.add(m[1], m[3], out=m[1])
    return [plane for row in room.outputs[:2, :2] for plane in row]


def corners(room: Room) -> list[Array]:
    """List the four planes (TH, TW, N, F) of the room where `add_gradients` expects dy: V's corners."""
    return [plane for row in room.outputs[::3, ::3] for plane in row]


def add_gradients(x: Array, padding: Pair, room: Room, *, dx: Array | None) -> None:
    """Add Dᵀ V to dL/dU in the room, given x and dy's planes in V's corners; write dL/dx to `dx` where it is wanted."""
    d, v = transform_input(x, padding, room), matrices(room.outputs)
    for line in (room.outputs[::3].swapaxes(0, 1), room.outputs):
        np.add(line[0], line[3], out=line[1])
        np.subtract(line[0], line[3], out=line[2])
    np.matmul(d.swapaxes(2, 3), v, out=room.scratch)
    np.add(room.d_weights, room.scratch, out=room.d_weights)
    if dx is not None:
        np.matmul(v, room.transposed, out=d)
        add_tiles(padding, room, out=dx)


def transform_input(x: Array, padding: Pair, room: Room) -> Array:
    """Return D = Bᵀ d B of the tiles of x (N, H, W, C) as matrices, in the room."""
    room.padded.fill(0)
    np.copyto(inside(room.padded, padding), x)
    across, down = room.padded.swapaxes(0, 1), room.halfway.swapaxes(0, 1)
    for d, target in ((across, room.halfway.swapaxes(1, 2)), (down, room.inputs.swapaxes(1, 2))):
        first, second, third, fourth = tile_lines(d)
        np.subtract(first, third, out=target[0])
        np.add(second, third, out=target[1])
        np.subtract(third, second, out=target[2])
        np.subtract(fourth, second, out=target[3])
    return matrices(room.inputs)


def add_tiles(padding: Pair, room: Room, *, out: Array) -> Array:
    """Write the sum of the tiles B · dL/dD · Bᵀ to `out` (N, H, W, C), given dL/dD in the room."""
    across, down = room.padded.swapaxes(0, 1), room.halfway.swapaxes(0, 1)
    for m, d in ((room.inputs.swapaxes(1, 2), down), (room.halfway.swapaxes(1, 2), across)):
        first, second, third, fourth = tile_lines(d)
        d[0] = d[-1] = 0
        np.add(m[1], m[2], out=third)
        np.subtract(third, m[0], out=third)
        np.add(first, m[0], out=first)
        np.subtract(m[1], m[2], out=second)
        np.subtract(second, m[3], out=second)
        np.add(fourth, m[3], out=fourth)
    np.copyto(out, inside(room.padded, padding))
    return out


def tile_lines(d: Array) -> tuple[Array, Array, Array, Array]:
    """Return the views of all tiles' first lines, second ones, … on the first axis."""
    return d[:-2:2], d[1:-1:2], d[2::2], d[3::2]


def inside(padded: Array, padding: Pair) -> Array:
    """Return the view (N, H, W, C) inside the border of padded images."""
    (down, across), (height, width) = padding, padded.shape[:2]
    return padded[down : height - down, across : width - across].transpose(2, 0, 1, 3)
