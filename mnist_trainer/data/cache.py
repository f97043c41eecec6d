"""The cache: a folder for each known set, filled by downloads and unpacked copies."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from mnist_trainer.data.dataset import Part
from mnist_trainer.data.known_files import expanded_data_root, read_copy, read_known
from mnist_trainer.data.sources import KnownFile, KnownSet
from mnist_trainer.data.values import Bytes
from mnist_trainer.errors import DataError, error_in_words

_log = logging.getLogger(__name__)


def cache_folder(cache: str | Path | None) -> Path:
    """Choose the cache's folder: `cache`, or the user's own (on Linux ~/.cache/mnist_trainer).

    A user may have no home, or one that can't be written to: then a folder among the temporary files. Whatever lies
    in it is taken for what its checksum says, whoever put it there.
    """
    if cache is not None:
        return expanded_data_root(cache)
    from platformdirs import user_cache_path

    try:
        own = user_cache_path("mnist_trainer")
        if own.is_absolute() and cache_can_be_made(own):  # some versions leave the ~ of a home that isn't known
            return own
    except (OSError, RuntimeError):  # others say that it isn't
        pass
    return Path(tempfile.gettempdir(), "mnist_trainer-cache")


def cache_can_be_made(folder: Path) -> bool:
    """Whether a folder is there, or could be."""
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    return there == folder or (there.is_dir() and os.access(there, os.W_OK | os.X_OK))


def from_cache(known: KnownSet, folder: Path, *, download: bool, progress: bool) -> list[Part]:
    """Read the four files of `known`, each with its path, from `folder`; what it lacks is downloaded into it.

    A damaged file counts as missing. Raises DataError when one can't be had.
    """
    parts = []
    mirrors = list(known.mirrors)
    for file in known.files:
        path = folder / file.packed_name
        array = _read_sound(known, file, folder)
        if array is None:
            if not download:
                raise DataError(
                    f"{path}: no sound copy of {known.title} is here, and downloads are off. "
                    "Set data.download=true, or say where the files are: data.root=FOLDER (or, for MNIST, "
                    "MNIST_ROOT=FOLDER)."
                )
            from mnist_trainer.data.download import download as fetch

            served = fetch(file, known.algorithm, mirrors, folder, progress=progress)
            mirrors.sort(key=served.__ne__)  # a dead mirror costs its timeout once
            array = read_known(known, file, path, folder)
        parts.append((path, array))
    return parts


def _read_sound(known: KnownSet, file: KnownFile, folder: Path) -> Bytes | None:
    array = read_copy(file, folder)
    path = folder / file.packed_name
    try:
        if array is not None or not path.is_file():
            return array
        return read_known(known, file, path, folder)
    except (DataError, OSError) as error:  # OSError: a folder that can't be entered
        _log.warning("%s: it will be replaced", error_in_words(error))
        return None
