"""A data set in memory: images and labels to train on and to test with, which fit each other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnist_trainer.data.arrays import encoded_labels, images_from, labels_from
from mnist_trainer.data.idx import content_sha256
from mnist_trainer.data.split import stratified_split
from mnist_trainer.data.values import Bytes
from mnist_trainer.errors import ConfigError, DataError

log = logging.getLogger(__name__)
Part = tuple[Path, Bytes]
"""Images (n, height, width, channels), or labels (n,), and the file that they came from."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Official training and test images (n, height, width, channels) and labels (n,), as bytes.

    `source` says where the bytes came from; `digest` (16 hex digits) identifies them, however they were
    packed; `fallback` is True when digits stand in for an MNIST that could not be had.
    """

    name: str
    source: str
    images: Bytes
    labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    class_names: tuple[str, ...]
    digest: str
    default_validation_size: int
    fallback: bool = False

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        x_test: Any = None,
        y_test: Any = None,
        *,
        name: str = "arrays",
        class_names: Sequence[str] | None = None,
        test_size: int | None = None,
        test_seed: int = 0,
    ) -> Dataset:
        """Make a data set of arrays: images x, labels y, and those of the test.

        Images are (n, height, width), (n, height, width, channels), or flat (n, pixels) if they are square; numbers
        from 0 to 255, or these divided by 255. Labels are whole numbers from 0, or words. Without test images,
        `test_size` of the others, drawn by `test_seed`, are the test set (default: a seventh, at most 10,000).
        Raises `DataError`, or `ConfigError` for a test size that leaves nothing to train on.
        """
        given = [("x", x), ("y", y), ("x_test", x_test), ("y_test", y_test)]
        if (x_test is None) != (y_test is None):
            raise DataError("x_test and y_test: both, or none")
        given = [each for each in given if each[1] is not None]
        images = [images_from(array, key) for key, array in given[::2]]
        labels, names = encoded_labels(*(labels_from(array, key) for key, array in given[1::2]))
        if class_names is not None:
            if len(class_names) < len(names):
                raise DataError(f"class_names: {len(class_names)} for labels from 0 to {len(names) - 1}")
            names = tuple(map(str, class_names))
        arrays = [array for pair in zip(images, labels, strict=True) for array in pair]
        parts = [(Path(key), array) for (key, _), array in zip(given, arrays, strict=True)]
        return completed(name, "arrays in memory", parts, names, test_size, test_seed)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


def joined(
    name: str,
    source: str,
    parts: Sequence[Part],
    class_names: tuple[str, ...],
    validation_size: int,
    contents: Sequence[str | None] = (None,) * 4,
) -> Dataset:
    """Make a data set of training images and labels, test images and labels; raises DataError if they don't fit.

    `contents` are the SHA-256 of their bare IDX files, where these are known already.
    """
    (train_path, images), (_, labels), (test_path, test_images), (_, test_labels) = parts
    for pair in (parts[:2], parts[2:]):
        _check_pair(pair, class_names, name)
    if images.shape[1:] != test_images.shape[1:]:
        sizes = " x ".join(map(str, test_images.shape[1:])), " x ".join(map(str, images.shape[1:]))
        raise DataError(f"{test_path}: images of {sizes[0]}, but {train_path} holds images of {sizes[1]}")
    hashes = (known or content_sha256(array) for known, (_, array) in zip(contents, parts, strict=True))
    digest = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
    return Dataset(name, source, images, labels, test_images, test_labels, class_names, digest, validation_size)


def _check_pair(pair: Sequence[Part], class_names: tuple[str, ...], name: str) -> None:
    (images_path, images), (path, labels) = pair
    if len(images) != len(labels):
        raise DataError(f"{path}: {len(labels):,} labels, but {images_path} holds {len(images):,} images")
    if labels.max() >= len(class_names):
        raise DataError(f"{path}: holds the label {labels.max()}; {name} has 0 to {len(class_names) - 1} only")


def completed(
    name: str, source: str, parts: Sequence[Part], class_names: tuple[str, ...], test_size: int | None, test_seed: int
) -> Dataset:
    """Make a data set of training and, if there are any, test images and labels; else split a test set off.

    A twelfth of the training samples, at most 5,000, is for validation: MNIST's proportion. Raises `DataError`, and
    `ConfigError` for a test size that can't be.
    """
    parts = list(parts)
    if len(parts) == 4 and test_size is not None:
        raise ConfigError(f"data.test_size={test_size}: there is a test part, {parts[2][0]}; leave test_size out")
    if len(parts) == 2:
        (path, images), (labels_path, labels) = parts
        _check_pair(parts, class_names, name)
        size = min(10_000, max(1, len(labels) // 7)) if test_size is None else test_size
        rng = np.random.default_rng(test_seed)
        trained, tested = stratified_split(labels, size, rng, len(class_names), "data.test_size")
        log.info(
            f"{path}: has no test part: {size:,} of its {len(labels):,} images are the test set, "
            f"drawn by data.test_seed={test_seed}"
        )
        parts = [(path, images[trained]), (labels_path, labels[trained]), (path, images[tested])]
        parts.append((labels_path, labels[tested]))
    return joined(name, source, parts, class_names, min(5_000, len(parts[0][1]) // 12))


def check_is_dataset(data: object) -> None:
    """Raise `DataError` for what is no data set: arrays, say, or a name."""
    if not isinstance(data, Dataset):
        arrays = "Dataset.from_arrays(x, y), or (x, y, x_test, y_test), makes one of arrays"
        raise DataError(f"the data are of type {type(data).__name__}, and a Dataset is wanted: {arrays}")
