"""Arrays that a notebook has, of whatever kind, to the bytes of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.values import Bytes, check_array_size, store_as_bytes, with_channels
from mnist_trainer.errors import DataError

NEAR = 1e-3  # of a whole number, after float32's division by 255 and multiplication


def images_from(given: Any, name: str) -> Bytes:
    """Make images (n, h, w, c) of numbers 0 to 255, or of these divided by 255; raises `DataError`."""
    array = _dataset_array(given, name)
    try:
        if array.ndim == 0:
            raise DataError("no array of images")
        check_array_size(array.shape)
        stood = with_channels(array)
        out = np.empty(stood.shape, np.uint8)
        store_as_bytes(_fractions_to_bytes(stood), out)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    return out


def labels_from(given: Any, name: str) -> NDArray[Any]:
    """Make labels (n,) of any kind that can be sorted; raises `DataError`."""
    array = _dataset_array(given, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        hint = "; of one-hot rows, take argmax(axis=1)" if array.ndim == 2 else ""
        raise DataError(f"{name}: labels of shape {array.shape}: (count) fits{hint}")
    if array.dtype.kind == "O":
        array = array.astype(str)
    return array


def encoded_labels(*labels: NDArray[Any]) -> tuple[list[Bytes], tuple[str, ...]]:
    """Make bytes of several arrays of labels, and the classes' names: words are numbered by their order.

    Whole numbers stay what they are. Raises `DataError`.
    """
    if all(array.dtype.kind in "biuf" for array in labels):
        found = []
        for array in labels:
            found.append(np.empty(array.shape, np.uint8))
            try:
                store_as_bytes(array, found[-1])
            except DataError as error:
                raise DataError(f"labels: {error}") from error
        return found, tuple(map(str, range(max(2, 1 + max(int(array.max(initial=0)) for array in found)))))
    classes = np.unique(np.concatenate([array.astype(str) for array in labels]))
    if all(word.isdecimal() and int(word) < 256 for word in classes):  # as OpenML has them
        return encoded_labels(*(array.astype(str).astype(np.int64) for array in labels))
    if len(classes) > 256:
        raise DataError(f"labels: {len(classes):,} different ones; at most 256 classes fit")
    names = tuple(map(str, classes)) if len(classes) > 1 else (str(classes[0]), "")
    return [np.searchsorted(classes, array.astype(str)).astype(np.uint8) for array in labels], names


def _dataset_array(given: Any, name: str) -> NDArray[Any]:
    if np.ma.is_masked(given):
        raise DataError(
            f"{name}: {int(np.ma.getmaskarray(given).sum()):,} of its values are masked: fill them, or leave them out"
        )
    try:
        return np.asarray(given)
    except Exception as error:  # lists of unequal length, another library's arrays on a GPU, ...
        raise DataError(f"{name}: no array can be made of it: {error}") from error


def _fractions_to_bytes(array: NDArray[Any]) -> NDArray[Any]:
    """Multiply by 255 what was divided by it: fractions from 0 to 1."""
    if array.dtype.kind != "f" or not (array.min() >= 0 and array.max() <= 1) or np.array_equal(array, array.round()):
        return array
    scaled = array * 255
    whole = scaled.round()
    return whole if np.abs(scaled - whole).max() < NEAR * 255 else array
