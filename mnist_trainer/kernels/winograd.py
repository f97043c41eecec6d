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

Shapes: weights (3, 3, C, F); transforms (4, 4, TH, TW, N, channels), the N images of a chunk side by side. Padded
images are stored by the parity of columns and rows: additions then run along TW · N · C numbers, or TH times as many.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.kernels.elementwise import unbuffered_ufuncs
from mnist_trainer.kernels.windows import Pair, positions
from mnist_trainer.kernels.winograd_room import WinogradRoom

FEW_CHANNELS = 16

Lines: TypeAlias = tuple[Array, Array, Array, Array]


def winograd_fits(in_shape: Shape, kernel: Pair, stride: Pair, padding: Pair, filters: int) -> bool:
    """Whether it applies, and pays: kernels of 3×3, stride 1, an even number of outputs, and not too few channels."""
    height, width, channels = in_shape
    down, across = positions((height, width), kernel, stride, padding)
    applies = kernel == (3, 3) and stride == (1, 1) and down % 2 == across % 2 == 0 and min(down, across) > 0
    return applies and min(channels, filters) >= FEW_CHANNELS


def transform_matrices(transform: Array) -> Array:
    """Return the view (4, 4, TH · TW · N, channels) of a transform."""
    return transform.reshape(4, 4, -1, transform.shape[-1])


def transform_weights(weights: Array, room: WinogradRoom) -> None:
    """Write U = G w Gᵀ, and its transpose, to the room."""
    halfway, out = room.weights_halfway, room.weights
    for g, target in ((weights, halfway), (halfway.swapaxes(0, 1), out.swapaxes(0, 1))):
        np.copyto(target[::3], g[::2])
        np.add(g[0], g[2], out=target[1])
        np.subtract(target[1], g[1], out=target[2])
        np.add(target[1], g[1], out=target[1])
        np.multiply(target[1:3], 0.5, out=target[1:3])
    np.copyto(room.transposed, out.swapaxes(2, 3))


def weights_gradient(room: WinogradRoom, *, out: Array) -> Array:
    """Write dL/dw = Gᵀ · dL/dU · G to `out` (3, 3, C, F); overwrites dL/dU in the room."""
    halfway = room.weights_halfway
    for u, target in ((room.d_weights, halfway.swapaxes(0, 1)), (halfway, out.swapaxes(0, 1))):
        np.multiply(u[1:3], 0.5, out=u[1:3])
        np.subtract(u[1], u[2], out=target[1])
        np.add(u[1], u[2], out=u[1])
        np.add(u[::3], u[1], out=target[::2])
    return out


def outputs(x: Array, padding: Pair, room: WinogradRoom) -> list[Array]:
    """Return x ∗ w as four planes (TH, TW, N, F) of the room: the 2×2 outputs of all tiles."""
    np.matmul(transform_input(x, padding, room), room.weights, out=transform_matrices(room.outputs))
    for m in (room.outputs, room.outputs[:2].swapaxes(0, 1)):
        np.add(m[0], m[1], out=m[0])
        np.add(m[0], m[2], out=m[0])
        np.subtract(m[1], m[2], out=m[1])
        np.add(m[1], m[3], out=m[1])
    return [plane for row in room.outputs[:2, :2] for plane in row]


def corners(room: WinogradRoom) -> list[Array]:
    """List the four planes (TH, TW, N, F) of the room where `add_gradients` expects dy: V's corners."""
    return [plane for row in room.outputs[::3, ::3] for plane in row]


def add_gradients(padding: Pair, room: WinogradRoom, *, dx: Array | None) -> None:
    """Add Dᵀ V to dL/dU in the room, given D of forward, and dy's planes in V's corners; overwrites D.

    Write dL/dx to `dx` where it is wanted.
    """
    d, v = transform_matrices(room.inputs), transform_matrices(room.outputs)
    for line in (room.outputs[::3].swapaxes(0, 1), room.outputs):
        np.add(line[0], line[3], out=line[1])
        np.subtract(line[0], line[3], out=line[2])
    np.matmul(d.swapaxes(2, 3), v, out=room.scratch)
    np.add(room.d_weights, room.scratch, out=room.d_weights)
    if dx is not None:
        np.matmul(v, room.transposed, out=d)
        add_tiles(padding, room, out=dx)


def transform_input(x: Array, padding: Pair, room: WinogradRoom) -> Array:
    """Return D = Bᵀ d B of the tiles of x (N, H, W, C) as matrices, in the room."""
    room.padded.fill(0)
    for inside, pixels in by_parity(room, x, padding):
        np.copyto(inside, pixels)
    with unbuffered_ufuncs():
        for lines, target in ((by_columns(room), room.halfway), (by_rows(room), room.inputs)):
            first, second, third, fourth = lines
            np.subtract(first, third, out=target[0])
            np.add(second, third, out=target[1])
            np.subtract(third, second, out=target[2])
            np.subtract(fourth, second, out=target[3])
    return transform_matrices(room.inputs)


def add_tiles(padding: Pair, room: WinogradRoom, *, out: Array) -> Array:
    """Write the sum of the tiles B · dL/dD · Bᵀ to `out` (N, H, W, C), given dL/dD in the room."""
    # what is no tile's third line, or second one, gets no first value below
    room.halfway[:, 0, 0] = room.halfway[:, 1, -1] = 0
    room.padded[0, :, :, 0] = room.padded[1, :, :, -1] = 0
    with unbuffered_ufuncs():
        for m, lines in ((room.inputs, by_rows(room)), (room.halfway, by_columns(room))):
            first, second, third, fourth = lines
            np.add(m[1], m[2], out=third)
            np.subtract(third, m[0], out=third)
            np.add(first, m[0], out=first)
            np.subtract(m[1], m[2], out=second)
            np.subtract(second, m[3], out=second)
            np.add(fourth, m[3], out=fourth)
    for inside, pixels in by_parity(room, out, padding):
        np.copyto(pixels, inside)
    return out


def by_columns(room: WinogradRoom) -> Lines:
    """Return the views (2, TH + 1, TW, N, C) of the padded images: all tiles' first, second, third, fourth columns."""
    even, odd = room.padded
    return even[:, :, :-1], odd[:, :, :-1], even[:, :, 1:], odd[:, :, 1:]


def by_rows(room: WinogradRoom) -> Lines:
    """Return the views (4, TH, TW, N, C) of what is halfway: all tiles' first, second, third, fourth rows."""
    even, odd = room.halfway[:, 0], room.halfway[:, 1]
    return even[:, :-1], odd[:, :-1], even[:, 1:], odd[:, 1:]


def by_parity(room: WinogradRoom, x: Array, padding: Pair) -> Iterator[tuple[Array, Array]]:
    """Yield views (…, N, C) of the padded images and of x, of the same pixels, by parity."""
    pixels = x.transpose(1, 2, 0, 3)
    for column, row in ((0, 0), (0, 1), (1, 0), (1, 1)):
        (rows, x_rows), (columns, x_columns) = (
            parity_places(parity, size, border)
            for parity, size, border in zip((row, column), pixels.shape[:2], padding, strict=True)
        )
        yield room.padded[column, row, rows, columns], pixels[x_rows, x_columns]


def parity_places(parity: int, size: int, border: int) -> tuple[slice, slice]:
    """Return where the even or odd ones of `size` lines in a border are among those of their parity, and in x."""
    start = (parity + border) % 2
    first = (start + border) // 2
    return slice(first, first + (size - start + 1) // 2), slice(start, None, 2)
