"""From the name of a known set, or from any four files, to the data set.

Another form of files has its reader beside idx.py, which makes images and labels of them for `joined`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnist_trainer.data import idx
from mnist_trainer.data.cache import cache_folder, from_cache
from mnist_trainer.data.dataset import Dataset, Part, joined
from mnist_trainer.data.known_files import expanded, find, read_known
from mnist_trainer.data.sources import DIGIT_NAMES, KNOWN_SETS, KnownSet
from mnist_trainer.errors import ConfigError, DataError

ROOT_VARIABLE = "MNIST_ROOT"
KINDS = ("auto", "mnist", "fashion_mnist", "kmnist", "digits")
_log = logging.getLogger(__name__)


def load(
    kind: str,
    *,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Load the data set `kind`, one of KINDS, from the folder `root`, or else from where that kind is kept.

    For mnist and auto that is the folder that the environment variable MNIST_ROOT names; without it, and for
    the other known sets, `cache`/<name> (default: in the user's cache folder), into which missing files are
    downloaded; for digits, scikit-learn. A named folder must hold the data: nothing else is tried. auto is
    MNIST, or, if it isn't to be had and no folder is named, digits, with a warning. Raises DataError, or
    ConfigError for an unknown kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"data={kind}: no such data set; there are {', '.join(KINDS)}, and idx")
    if root == "":
        raise DataError("data.root is empty: name the folder that holds the data, or leave it out")
    if kind == "digits":
        return _digits(root)
    known = KNOWN_SETS["mnist" if kind == "auto" else kind]
    copies = cache_folder(cache) / known.name
    named = _named_folder(known, root)
    if named is not None:
        origin, folder = named
        try:
            paths = [find(file, folder) for file in known.files]
            parts = [
                (path, read_known(known, file, path, copies)) for file, path in zip(known.files, paths, strict=True)
            ]
            return _known(known, parts, folder)
        except DataError as error:
            raise DataError(f"{error} ({origin}={folder})") from error
    try:
        return _known(known, from_cache(known, copies, download=download, progress=progress), copies)
    except DataError as error:
        if kind != "auto":
            raise
        return _stand_in(error)


def load_idx(
    train_images: str | Path,
    train_labels: str | Path,
    test_images: str | Path,
    test_labels: str | Path,
    *,
    root: str | Path | None = None,
    name: str = "idx",
) -> Dataset:
    """Load any four IDX files, gzipped or not, relative to `root` if it is given. Raises DataError.

    There are as many classes as the largest label says, at least 2. A twelfth of the training samples, at
    most 5,000, is for validation: MNIST's proportion.
    """
    folder = expanded(root) if root is not None else Path()
    paths = [folder / expanded(path) for path in (train_images, train_labels, test_images, test_labels)]
    readers = (idx.read_images, idx.read_labels, idx.read_images, idx.read_labels)
    parts = [(path, read(path)) for path, read in zip(paths, readers, strict=True)]
    classes = max(2, *(int(labels.max()) + 1 for _, labels in parts[1::2]))
    names = tuple(str(label) for label in range(classes))
    return joined(name, str(paths[0].parent), parts, names, min(5_000, len(parts[0][1]) // 12))


def _named_folder(known: KnownSet, root: str | Path | None) -> tuple[str, Path] | None:
    """Return what names a folder, and the folder; None if neither `root` nor, for MNIST, the environment."""
    if root is not None:
        return "data.root", expanded(root)
    if known.name == "mnist" and (value := os.environ.get(ROOT_VARIABLE)):
        return ROOT_VARIABLE, expanded(value)
    return None


def _known(known: KnownSet, parts: Sequence[Part], folder: Path) -> Dataset:
    contents = [file.content for file in known.files]
    return joined(known.name, str(folder), parts, known.class_names, known.default_validation_size, contents)


def _digits(root: str | Path | None) -> Dataset:
    from mnist_trainer.data.digits import FILE_NAME, digits_path, read_digits

    path = expanded(root) / FILE_NAME if root is not None else digits_path()
    parts = [(path, array) for array in read_digits(path)]
    return joined("digits", str(path), parts, DIGIT_NAMES, 137)


def _stand_in(error: DataError) -> Dataset:
    digits = replace(_digits(None), fallback=True)
    _log.warning(
        "This is NOT MNIST: scikit-learn's digits (%s training images, enlarged from 8 x 8) stand in for it. "
        "MNIST could not be had:\n%s\ndata=mnist makes this an error, data=digits skips the attempt.",
        f"{len(digits.images):,}",
        error,
    )
    return digits
