"""Sets that are read from files alone: EMNIST, in its six splits, and QMNIST.

Nobody published checksums of the unpacked files, so that there is nothing to check a download against.
EMNIST: G. Cohen, S. Afshar, J. Tapson and A. van Schaik, https://arxiv.org/abs/1702.05373, whose images lie on their
side, and whose letters are numbered from 1. QMNIST: C. Yadav and L. Bottou, https://arxiv.org/abs/1905.10498.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mnist_trainer.data.chosen import choose_pieces
from mnist_trainer.data.dataset import Dataset, Part, joined
from mnist_trainer.data.names import stem
from mnist_trainer.data.sources import DIGIT_NAMES
from mnist_trainer.data.survey import survey
from mnist_trainer.errors import DataError


@dataclass(frozen=True)
class FileSet:
    """A set whose files' names begin with `prefix`; `counts` are those of training and test images."""

    name: str
    title: str
    prefix: str
    counts: tuple[int, int]
    class_names: tuple[str, ...]
    where: str
    transposed: bool = False
    first_label: int = 0

    def load(self, folder: Path) -> Dataset:
        """Read it from a folder, or an archive's; raises `DataError`."""
        found = survey(folder)
        own = tuple(piece for piece in found.pieces if stem(piece.path.name).startswith(self.prefix))
        if not own:
            raise DataError(f"{folder}: no file of {self.title}, {self.prefix}...; {found.listing()}; {self.where}")
        parts, _ = choose_pieces(replace(found, pieces=own)).read()
        if len(parts) == 2:
            raise DataError(f"{folder}: no test part of {self.title}; {found.listing()}; {self.where}")
        for (path, images), count in zip(parts[::2], self.counts, strict=True):
            if len(images) != count:
                raise DataError(
                    f"{path}: holds {len(images):,} images; {self.title} has {count:,} there; data=idx takes any"
                )
        return joined(self.name, str(folder), [self._mended(part) for part in parts], self.class_names, 5_000)

    def _mended(self, part: Part) -> Part:
        path, array = part
        if array.ndim == 4:
            return path, np.ascontiguousarray(array.transpose(0, 2, 1, 3)) if self.transposed else array
        if array.min() < self.first_label:
            raise DataError(f"{path}: holds the label {array.min()}; {self.title} begins at {self.first_label}")
        return path, array - np.uint8(self.first_label)


def _emnist(split: str, train: int, test: int, class_names: str, first_label: int = 0) -> FileSet:
    where = (
        "it is not downloaded, since no checksum of it is published: gzip.zip from "
        "https://www.nist.gov/itl/products-and-services/emnist-dataset has it; unpack that, and say data.root=FOLDER"
    )
    return FileSet(
        name=f"emnist_{split}",
        title=f"EMNIST {split}",
        prefix=f"emnist-{split}-",
        counts=(train, test),
        class_names=tuple(class_names),
        where=where,
        transposed=True,
        first_label=first_label,
    )


_ALL = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"  # where a letter's two cases look different
EMNIST: Mapping[str, FileSet] = MappingProxyType(
    {
        "balanced": _emnist("balanced", 112_800, 18_800, _MERGED),
        "byclass": _emnist(
            "byclass", 697_932, 116_323, string.digits + string.ascii_uppercase + string.ascii_lowercase
        ),
        "bymerge": _emnist("bymerge", 697_932, 116_323, _MERGED),
        "digits": _emnist("digits", 240_000, 40_000, string.digits),
        "letters": _emnist("letters", 124_800, 20_800, string.ascii_uppercase, first_label=1),
        "mnist": _emnist("mnist", 60_000, 10_000, string.digits),
    }
)
QMNIST = FileSet(
    name="qmnist",
    title="QMNIST",
    prefix="qmnist-",
    counts=(60_000, 60_000),
    class_names=DIGIT_NAMES,
    where=(
        "it is not downloaded, since no checksum of it is published: https://github.com/facebookresearch/qmnist has "
        "its four files; say data.root=FOLDER"
    ),
)
