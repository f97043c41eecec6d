"""From the name of a known set, or from any files, to the data set.

Another form of files has its reader beside idx.py, which makes images and labels of them, and a word in `survey`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mnist_trainer.data import idx
from mnist_trainer.data.cache import cache_folder, from_cache
from mnist_trainer.data.chosen import choose_pieces
from mnist_trainer.data.content import unpacked_head
from mnist_trainer.data.dataset import Dataset, Part, completed, joined
from mnist_trainer.data.file_sets import EMNIST, QMNIST, FileSet
from mnist_trainer.data.known_files import expanded_data_root, read_official
from mnist_trainer.data.numpy_files import MAGIC, read_numpy_array
from mnist_trainer.data.sources import DIGIT_NAMES, KNOWN_SETS, KnownSet
from mnist_trainer.data.survey import survey
from mnist_trainer.data.values import Bytes
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.hyperparameters import suggestion

ROOT_VARIABLE = "MNIST_ROOT"
KINDS = ("auto", "mnist", "fashion_mnist", "kmnist", "qmnist", "digits")
NO_ROOT = "data.root is missing: give it a value, as in data.root=...: the folder, or the file, of the data"
_log = logging.getLogger(__name__)


def load(
    kind: str,
    *,
    root: str | Path | None = None,
    cache: str | Path | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Load the data set `kind`, one of KINDS, from `root`, a folder or a file, or else from where that kind is kept.

    For mnist and auto that is what the environment variable MNIST_ROOT names; without it, and for the other known
    sets, `cache`/<name> (default: in the user's cache folder), into which missing files are downloaded, but for
    qmnist's; for digits, scikit-learn. What is named must hold the data, in any form (`survey`): nothing else is
    tried. auto is MNIST, or, if it isn't to be had and nothing is named, digits, with a warning. Raises DataError, or
    ConfigError for an unknown kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"data={kind}: no such data set; there are {', '.join(KINDS)}, emnist, and idx")
    check_root(root)
    if kind == "digits":
        return _digits(root)
    if kind == "qmnist":
        return load_file_set(QMNIST, root=root, cache=cache)
    known = KNOWN_SETS["mnist" if kind == "auto" else kind]
    copies = cache_folder(cache) / known.name
    named = _named_folder(known, root)
    if named is not None:
        origin, folder = named
        try:
            return _known_dataset(known, read_official(survey(folder), known, copies), folder)
        except DataError as error:
            raise DataError(f"{error} ({origin}={folder})") from error
    try:
        return _known_dataset(known, from_cache(known, copies, download=download, progress=progress), copies)
    except DataError as error:
        if kind != "auto":
            raise
        return _stand_in(error)


def load_emnist(split: str, *, root: str | Path | None = None, cache: str | Path | None = None) -> Dataset:
    """Load a split of EMNIST from files in `root`, or else in `cache`/emnist; raises DataError, ConfigError."""
    if split not in EMNIST:
        raise ConfigError(f"data.split={split} is unknown{suggestion(split, EMNIST)}")
    check_root(root)
    return load_file_set(EMNIST[split], root=root, cache=cache)


def load_file_set(files: FileSet, *, root: str | Path | None, cache: str | Path | None) -> Dataset:
    """Load a set that is read from files alone; raises DataError, which says where they are to be had."""
    folder = expanded_data_root(root) if root is not None else cache_folder(cache) / files.name.partition("_")[0]
    if root is None and not folder.is_dir():
        raise DataError(f"{files.title} is not here (data.root is not given, and there is no {folder}); {files.where}")
    return files.load(folder)


def load_files(
    root: str | Path | None,
    files: Sequence[str | Path | None] = (None,) * 4,
    *,
    name: str = "idx",
    test_size: int | None = None,
    test_seed: int = 0,
) -> Dataset:
    """Load any data: what lies in `root`, a folder or a file, or the files named, relative to `root` if it is given.

    `files` are those of the training images and labels, and of the test's, if there are any; IDX, or an array of
    NumPy's each. Without test images, `test_size` of the others are the test set. There are as many classes as the
    largest label says, at least 2, or as there are folders of pictures. Raises DataError, and ConfigError.
    """
    check_root(root)
    folder = expanded_data_root(root) if root is not None else None
    names: tuple[str, ...] | None = None
    if any(files):
        parts = _read_named_files(folder, files)
        source = str(parts[0][0].parent)
    elif folder is None:
        raise ConfigError(NO_ROOT)
    else:
        chosen = choose_pieces(survey(folder))
        for sentence in chosen.told:
            _log.warning(sentence)
        parts, names = chosen.read()
        source = str(folder)
    if names is None:
        names = tuple(map(str, range(max(2, *(int(labels.max()) + 1 for _, labels in parts[1::2])))))
    elif len(names) == 1:
        names = (*names, "")
    return completed(name, source, parts, names, test_size, test_seed)


def check_root(root: str | Path | None) -> None:
    """Raise DataError for a root that is given, but empty: it would be the working directory."""
    if root is not None and not str(root).strip():
        raise DataError("data.root is empty: name the folder, or the file, that holds the data, or leave it out")


def _read_named_files(folder: Path | None, files: Sequence[str | Path | None]) -> list[Part]:
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    given = [bool(file) for file in files]
    if given not in ([True] * 4, [True, True, False, False]):
        lacking = [key for key, there in zip(keys, given, strict=True) if not there]
        raise ConfigError(
            f"data.{lacking[0]} is missing: {keys[0]} and {keys[1]} belong together, and so do {keys[2]} and {keys[3]}"
        )
    parts: list[Part] = []
    for file, role in zip([each for each in files if each], ("images", "labels") * 2, strict=False):
        path = (folder or Path()) / expanded_data_root(file)
        parts.append((path, _read_file(path, "labels" if role == "labels" else "images")))
    return parts


def _read_file(path: Path, role: idx.Role) -> Bytes:
    try:
        is_array = unpacked_head(path, len(MAGIC)).startswith(MAGIC)
    except (OSError, ValueError):
        is_array = False  # the reader says what is wrong
    if is_array:
        return read_numpy_array(path, "", role)
    return idx.read_labels(path) if role == "labels" else idx.read_images(path)


def _named_folder(known: KnownSet, root: str | Path | None) -> tuple[str, Path] | None:
    """Return what names a folder, and the folder; None if neither `root` nor, for MNIST, the environment."""
    if root is not None:
        return "data.root", expanded_data_root(root)
    if known.name == "mnist" and (value := os.environ.get(ROOT_VARIABLE)):
        return ROOT_VARIABLE, expanded_data_root(value)
    return None


def _known_dataset(known: KnownSet, parts: Sequence[Part], folder: Path) -> Dataset:
    contents = [file.content for file in known.files]
    return joined(known.name, str(folder), parts, known.class_names, known.default_validation_size, contents)


def _digits(root: str | Path | None) -> Dataset:
    from mnist_trainer.data.digits import FILE_NAME, digits_path, read_digits

    path = expanded_data_root(root) if root is not None else digits_path()
    if root is not None and not path.is_file():
        path /= FILE_NAME
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
