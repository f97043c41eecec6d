"""Images seen through a map: every pixel is looked up at a place of its own, between pixels bilinearly.

Shapes: pixels and out (N, H, W, C) bytes; fields (K, H·W); coefficients (2, N, K). Pixel p of image n becomes what the
image has at row Σ_k coefficients[0, n, k] · fields[k, p], and at the column that the other half gives. What lies
outside is the edge's nearest pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.kernels.updates import blocks

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

BITS = 8  # of a pixel, and of a place between two
ONE = 1 << BITS
HALF = np.uint32(1 << 15)
LANES = np.uint32(0x00FF00FF)
CHUNK_BYTES = 200_000
"""Of an array of places: 128 images of 28×28 take 0.8 ms in chunks of 64, 0.9 in ones of 32, 1.2 in ones of 8."""


@dataclass(frozen=True, eq=False)
class ResamplingRoom:
    """The arrays that a few images are resampled in; P is the number of their pixels."""

    shape: Shape  # height, width, channels
    places: Array  # (2, chunk, H·W): row and column
    fixed: NDArray[np.int32]  # the same, in 1/256 of a pixel
    rows: NDArray[np.int32]  # (chunk, H·W): where the place's row begins
    starts: NDArray[np.int32]  # (chunk, 1): where an image begins
    index: NDArray[np.intp]  # (chunk, H·W)
    flat: Bytes  # (P + W + 1) · C, so that the last pixels have neighbours, too
    corners: Words  # P · C
    even: Words  # (P, C)
    odd: Words  # (P, C)

    @classmethod
    def make(cls, shape: Shape, max_batch: int) -> "ResamplingRoom":
        """Make the arrays, for images of this shape."""
        height, width, channels = shape
        size = height * width
        chunk = min(max_batch, max(1, CHUNK_BYTES // (4 * size)))
        return cls(
            shape,
            places=np.empty((2, chunk, size), np.float32),
            fixed=np.empty((2, chunk, size), np.int32),
            rows=np.empty((chunk, size), np.int32),
            starts=size * np.arange(chunk, dtype=np.int32)[:, np.newaxis],
            index=np.empty((chunk, size), np.intp),
            flat=np.zeros((chunk * size + width + 1) * channels, np.uint8),
            corners=np.empty(chunk * size * channels, np.uint32),
            even=np.empty((chunk * size, channels), np.uint32),
            odd=np.empty((chunk * size, channels), np.uint32),
        )


def resample(pixels: Bytes, coefficients: Array, fields: Array, room: ResamplingRoom, *, out: Bytes) -> Bytes:
    """Write the images, each seen through its own map, to `out`, which may be `pixels` itself.

    Up to the rounding of places to 1/256 of a pixel: that is 1 level of 255 at most, and a half for the result's own.
    """
    height, width, channels = room.shape
    for part in blocks(len(pixels), room.index.shape[0]):
        count = part.stop - part.start
        places, fixed = room.places[:, :count], room.fixed[:, :count]
        np.matmul(coefficients[:, part], fields, out=places)
        fixed_places(places, height, width, out=fixed)
        look_up_corners(pixels[part], fixed, room)
        points = count * height * width
        even, odd = room.even[:points], room.odd[:points]
        down, across = fixed.view(np.uint32).reshape(2, points, 1)
        interpolate_corners(even, odd, down, across)
        np.copyto(out[part].reshape(points, channels), even, casting="unsafe")
    return out


def fixed_places(places: Array, height: int, width: int, *, out: NDArray[np.int32]) -> None:
    """Write the places, brought into the image, to `out` in 1/256 of a pixel; overwrites `places`."""
    places *= ONE
    places += 0.5
    for axis, size in enumerate((height, width)):
        np.maximum(places[axis], 0, out=places[axis])
        np.minimum(places[axis], ONE * (size - 1), out=places[axis])
    np.copyto(out, places, casting="unsafe")


def look_up_corners(pixels: Bytes, fixed: NDArray[np.int32], room: ResamplingRoom) -> None:
    """Write the four pixels around each place to `room.odd`, a byte each; keep of `fixed` what lies between pixels.

    From the lowest: the pixel itself, its right neighbour, the lower one, and that one's right neighbour. So one
    lookup does for four, which is most of the work.
    """
    _, width, channels = room.shape
    count, size = len(pixels), pixels.size
    room.flat[:size] = pixels.reshape(-1)
    corners = room.corners[:size]
    np.copyto(corners, room.flat[(width + 1) * channels :][:size])
    for neighbour in (width * channels, channels, 0):
        corners <<= BITS
        corners |= room.flat[neighbour : neighbour + size]
    rows, index = room.rows[:count], room.index[:count]
    np.right_shift(fixed[0], BITS, out=rows)
    rows *= width
    rows += room.starts[:count]
    np.right_shift(fixed[1], BITS, out=index)
    index += rows
    corners.reshape(-1, channels).take(index.reshape(-1), 0, room.odd[: index.size], "clip")
    fixed &= ONE - 1


def interpolate_corners(even: Words, odd: Words, down: Words, across: Words) -> None:
    """Write to `even` the pixel between the four corners that `odd` has, `down` and `across` being in 1/256.

    Two pixels lie in the halves of a word, and are worked on at once: a · (256 − t) + b · t has 16 bits at most, and
    256 a + (b − a) · t is the same number modulo 2³², whatever is borrowed from half to half on the way.
    """
    np.bitwise_and(odd, LANES, out=even)
    odd >>= BITS
    odd &= LANES
    odd -= even
    odd *= across
    even <<= BITS
    even += odd
    np.right_shift(even, 2 * BITS, out=odd)
    even &= 0xFFFF
    odd -= even
    odd *= down
    even <<= BITS
    even += odd
    even += HALF
    even >>= 2 * BITS
