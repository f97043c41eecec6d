"""Images and labels as somebody has them in memory, brought into one form, or refused in words."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.kernels.arrays import Indices, Shape


def images_as_batch(images: ArrayLike, shape: Shape) -> NDArray[Any]:
    """Return images as (N, height, width, channels), bytes or numbers from 0 to 1.

    One or many, and where there is one channel with or without its axis. Raises `DataError` for anything else.
    """
    array = any_as_array(images, "images")
    check_pixel_values(array)
    height, width, channels = shape
    forms = [shape, (height, width)] if channels == 1 else [shape]
    if array.shape in forms:
        return array.reshape(1, *shape)
    if array.shape[1:] in forms:
        return array.reshape(len(array), *shape)
    fitting = " or ".join(str(("N", *form)).replace("'", "") for form in forms[::-1])
    flat = array.ndim == 2 and array.shape[1] == height * width * channels
    advice = f"; images.reshape(-1, {', '.join(map(str, forms[-1]))}) may be meant" if flat else ""
    raise DataError(f"images of shape {array.shape}: must be {fitting}, or one without the N{advice}")


def check_pixel_values(array: NDArray[Any]) -> None:
    """Raise `DataError` unless these are bytes, or numbers from 0 to 1."""
    if array.dtype == np.uint8:
        return
    if array.dtype.kind != "f":
        raise DataError(
            f"images of type {array.dtype}: must be bytes from 0 to 255 (images.astype(numpy.uint8), if they hold "
            "such), or floating-point numbers from 0 to 1"
        )
    if not array.size:
        return
    least, most = float(array.min()), float(array.max())
    if not (least >= 0 and most <= 1):
        advice = ": images / 255 may be meant" if least >= 0 and 1 < most <= 255 else ""
        raise DataError(f"images hold numbers from {least:g} to {most:g}: must be from 0 to 1{advice}")


def as_class_numbers(labels: ArrayLike, samples: int, classes: int) -> Indices:
    """Return class numbers (N,); raises `DataError` if they are anything else, or not one an image."""
    array = any_as_array(labels, "labels")
    if array.ndim == 0:
        array = array.reshape(1)
    if array.shape != (samples,):
        raise DataError(f"labels of shape {array.shape} for {samples:,} images: must be ({samples},)")
    if array.dtype.kind not in "iu" and array.size:
        raise DataError(f"labels of type {array.dtype}: must be whole numbers, the classes' from 0")
    if array.size and not 0 <= array.min() <= array.max() < classes:
        wrong = array.max() if array.max() >= classes else array.min()
        raise DataError(f"labels hold {wrong}: the model has the classes 0 to {classes - 1}")
    return array.astype(np.intp)


def any_as_array(values: ArrayLike, what: str) -> NDArray[Any]:
    """Return an array of anything that is one; raises `DataError`."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:  # lists of different lengths
        raise DataError(f"{what} make no array: {error}") from error
    if array.dtype == object:
        raise DataError(f"{what} make no array of numbers: {type(values).__name__} of {array.dtype}")
    return array
