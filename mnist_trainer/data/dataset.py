"""A data set in memory: images and labels to train on and to test with, which fit each other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnist_trainer.data.idx import Bytes, content_sha256
from mnist_trainer.errors import DataError

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
    for (images_path, some), (labels_path, its) in (parts[:2], parts[2:]):
        if len(some) != len(its):
            raise DataError(f"{labels_path}: {len(its):,} labels, but {images_path} holds {len(some):,} images")
        if its.max() >= len(class_names):
            raise DataError(f"{labels_path}: holds the label {its.max()}; {name} has 0 to {len(class_names) - 1} only")
    if images.shape[1:] != test_images.shape[1:]:
        sizes = " x ".join(map(str, test_images.shape[1:])), " x ".join(map(str, images.shape[1:]))
        raise DataError(f"{test_path}: images of {sizes[0]}, but {train_path} holds images of {sizes[1]}")
    hashes = (known or content_sha256(array) for known, (_, array) in zip(contents, parts, strict=True))
    digest = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
    return Dataset(name, source, images, labels, test_images, test_labels, class_names, digest, validation_size)
