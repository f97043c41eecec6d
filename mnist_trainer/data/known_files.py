"""One file of a known set: found, checked and read, with an unpacked copy kept for the next time."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from mnist_trainer.data import idx
from mnist_trainer.data.idx import Bytes
from mnist_trainer.data.sources import KNOWN_SETS, KnownFile, KnownSet
from mnist_trainer.errors import DataError
from mnist_trainer.files import replacing

_log = logging.getLogger(__name__)


def expanded(path: str | Path) -> Path:
    """Replace a leading ~ or ~user; one that doesn't exist stays, for a later message to name it."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def find(file: KnownFile, folder: Path) -> Path:
    """Find `file` in `folder`, bare or gzipped. Raises DataError."""
    names = (file.name, file.packed_name)
    try:
        # The bare file is quicker to read, but only MNIST's has a published checksum.
        for name in names if file.content else reversed(names):
            if (folder / name).is_file():
                return folder / name
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    except OSError as error:
        raise DataError(f"{folder}: can't be read ({error.strerror})") from error
    raise DataError(f"{folder / file.packed_name}: no such file, nor {file.name} without .gz")


def read_known(known: KnownSet, file: KnownFile, path: Path, copies: Path) -> Bytes:
    """Read `file` of `known` from `path`, bare or gzipped: images (n, h, w, c) or labels (n,).

    Unpacking MNIST's training images takes 0.16 s, so an unpacked copy is kept in the folder `copies`; it is
    used when the gzipped file has its checksum and the copy has its own. Raises DataError when `path` is
    unsound or holds something else.
    """
    packed_fits = _packed_fits(path, known, file)
    if packed_fits:
        array = read_copy(file, copies)
        if array is not None:
            return array
    array = _read(file, path)
    content = idx.content_sha256(array)
    if content != file.content and not (packed_fits and file.content is None):
        _refuse(path, known, file, content, packed_fits=packed_fits)
    if packed_fits and file.content:
        _keep(array, copies / file.name)
    return array


def read_copy(file: KnownFile, copies: Path) -> Bytes | None:
    """Read the unpacked copy in `copies`, if there is one and it has the SHA-256 of the unpacked content."""
    path = copies / file.name
    try:
        if file.content is None or not path.is_file():
            return None
        array = _read(file, path)
    except (DataError, OSError):  # OSError: a folder that can't be entered
        return None
    return array if idx.content_sha256(array) == file.content else None


def _read(file: KnownFile, path: Path) -> Bytes:
    return idx.read_labels(path) if "labels" in file.name else idx.read_images(path)


def _packed_fits(path: Path, known: KnownSet, file: KnownFile) -> bool | None:
    """Whether a gzipped file has its published checksum; None for a bare file."""
    try:
        if not idx.is_gzipped(path):
            return None
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.new(known.algorithm, usedforsecurity=False))
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    return digest.hexdigest() == file.packed


def _refuse(path: Path, known: KnownSet, file: KnownFile, content: str, *, packed_fits: bool | None) -> None:
    """Raise the DataError for a sound IDX file that isn't `file`, unless nothing shows that it isn't."""
    owners = (
        f"{other.title}'s {one.name}" for other in KNOWN_SETS.values() for one in other.files if one.content == content
    )
    owner = next(owners, None)
    if owner is None and packed_fits is None and file.content is None:
        _log.warning(
            "%s: taken unchecked: no checksum of the bare file is published, only of %s",
            path,
            file.packed_name,
        )
        return
    found = f"it is {owner}" if owner else "its checksum differs"
    raise DataError(f"{path}: not the official {known.title} file ({found}); data=idx takes any IDX files")


def _keep(array: Bytes, copy: Path) -> None:
    """Write the unpacked copy; without room or permission, go without."""
    try:
        with replacing(copy) as file:
            file.write(idx.header(array))
            file.write(array.reshape(-1).data)
    except OSError as error:
        _log.debug("%s: no unpacked copy kept: %s", copy, error)
