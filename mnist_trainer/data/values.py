"""Numbers of any type to a data set's bytes, where they are whole and from 0 to 255, and how flat images stand up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError

Bytes = NDArray[np.uint8]

MAX_BYTES = 3 << 28
MAX_ITEMS = 1 << 22
MAX_PIXELS = 1 << 20
"""What a file may hold, however well it is packed; the largest sets have 0.6 GB in 0.8 million items."""


def store_as_bytes(values: NDArray[Any], out: Bytes) -> None:
    """Write numbers into bytes; raises `DataError` for one that isn't whole, or not from 0 to 255."""
    if values.size == 0:
        return
    if values.dtype.kind not in "biuf":
        raise DataError(f"holds {values.dtype} elements; whole numbers from 0 to 255 fit")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # NaN is neither
        seen = "a value that is no number" if low != low else f"values from {low:g} to {high:g}"
        raise DataError(f"holds {seen}; whole numbers from 0 to 255 fit")
    np.copyto(out, values, casting="unsafe")
    if values.dtype.kind == "f" and not np.array_equal(out, values):
        scaled = " (were they divided by 255?)" if high <= 1 else ""
        raise DataError(
            f"holds fractions, such as {values[out != values][0]:g}{scaled}; whole numbers from 0 to 255 fit"
        )


def check_array_size(shape: tuple[int, ...], what: str = "pixels") -> None:
    """Raise `DataError` for an array that holds nothing, or more than any data set of this kind."""
    size = math.prod(shape)
    by = " x ".join(f"{side:,}" for side in shape)
    if size == 0:
        raise DataError(f"holds nothing: its header says {by}; at least one item is needed")
    items = "labels" if what == "labels" else "images"
    for found, most, unit in (
        (size, MAX_BYTES, f"bytes of {what}"),
        (shape[0], MAX_ITEMS, items),
        (size // shape[0], MAX_PIXELS, f"{what} an image"),
    ):
        if found > most:
            raise DataError(f"its header promises {found:,} {unit} ({by}); at most {most:,} fit")


def square_image_shape(count: int) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of an image of so many values in a row; None if no square image has them.

    One channel, or three side by side for each pixel.
    """
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side >= 2 and side * side * channels == count:
            return side, side, channels
    return None


def with_channels(images: NDArray[Any]) -> NDArray[Any]:
    """View images (n, h, w), (n, h, w, c) or flat (n, values) as (n, h, w, c); raises `DataError`."""
    if images.ndim == 4:
        return images
    if images.ndim == 3:
        return images[..., np.newaxis]
    if images.ndim == 2 and (shape := square_image_shape(images.shape[1])):
        return images.reshape(len(images), *shape)
    raise DataError(
        f"images of shape {images.shape}: (count, height, width), (count, height, width, channels), or a square "
        "image's pixels in a row (count, pixels) fit"
    )
