"""The files of a known set: found, checked and read, with unpacked copies kept for the next time."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from mnist_trainer.data import idx
from mnist_trainer.data.chosen import plainness
from mnist_trainer.data.dataset import Part
from mnist_trainer.data.idx import Role
from mnist_trainer.data.kept import read_once
from mnist_trainer.data.names import stem, words_of_name
from mnist_trainer.data.pieces import Content, DataPiece, read_piece
from mnist_trainer.data.sources import KNOWN_SETS, KnownFile, KnownSet
from mnist_trainer.data.survey import Survey
from mnist_trainer.data.values import Bytes
from mnist_trainer.errors import DataError
from mnist_trainer.files import open_file, replacing

_PARTS: tuple[tuple[str, Role], ...] = (
    ("train", "images"),
    ("train", "labels"),
    ("test", "images"),
    ("test", "labels"),
)
_MOST_TRIED = 12
_log = logging.getLogger(__name__)


def expanded_data_root(path: str | Path) -> Path:
    """Replace a leading ~ or ~user; one that doesn't exist stays, for a later message to name it."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def read_official(found: Survey, known: KnownSet, copies: Path) -> list[Part]:
    """Read the four files of `known` from what was found, in whatever form: each by its content's checksum.

    Raises `DataError` for one that isn't there, or isn't the official one.
    """
    contents: dict[int, Content] = {}
    return [
        _official(found, known, file, part, role, copies, contents)
        for file, (part, role) in zip(known.files, _PARTS, strict=True)
    ]


def _official(
    found: Survey, known: KnownSet, file: KnownFile, part: str, role: Role, copies: Path, contents: dict[int, Content]
) -> Part:
    """Return the first of the pieces in question that is the official file; raises what is wrong with the first."""
    candidates = [piece for piece in found.pieces if piece.part == part and piece.has(role)]
    candidates = [piece for piece in candidates if piece.form != "pictures"]  # which have lost the official order
    if not candidates:
        words = f"{'training' if part == 'train' else part} {role}"
        raise DataError(f"{found.root}: no {words} of {known.title} (data=idx takes any); {found.listing()}")
    first: DataError | None = None
    for piece in sorted(candidates, key=lambda piece: _likelihood(piece, known, file, found.root))[:_MOST_TRIED]:
        try:
            if piece.form == "idx":
                return piece.place, read_known(known, file, piece.path, copies)
            content = contents.get(id(piece))
            if content is None:
                content = contents[id(piece)] = read_piece(piece)
            array = content.of(role)
            assert array is not None
            _check_content(array, known, file, piece.place, packed_fits=None)
        except DataError as error:
            first = first or error
        else:
            return piece.place, array
    assert first is not None
    raise first


def _likelihood(piece: DataPiece, known: KnownSet, file: KnownFile, root: Path) -> tuple[bool, bool, bool, object]:
    """Order pieces: in a folder of the set's name, with the official name, not packed (or packed, if only so known)."""
    folders = piece.path.relative_to(root).parts[:-1]
    title = known.name.replace("_", "")
    named = any("".join(words_of_name(folder)) == title for folder in folders)
    plain = piece.path.name.lower().endswith(".gz") == (file.content is not None)
    return not named, stem(piece.path.name) != file.name, plain, plainness(piece)


def read_known(known: KnownSet, file: KnownFile, path: Path, copies: Path) -> Bytes:
    """Read `file` of `known` from `path`, bare or gzipped: images (n, h, w, c) or labels (n,).

    Unpacking MNIST's training images takes 0.16 s, so an unpacked copy is kept in the folder `copies`; it is
    used when the gzipped file has its checksum and the copy has its own. Raises DataError when `path` is
    unsound or holds something else.
    """
    packed = _packed_checksum(path, known.algorithm)
    packed_fits = None if packed is None else packed == file.packed
    if packed_fits:
        array = read_copy(file, copies)
        if array is not None:
            return array
    array = _read_known_idx(file, path)
    _check_content(array, known, file, path, packed_fits=packed_fits)
    if packed_fits and file.content:
        _keep_unpacked_copy(array, copies / file.name)
    return array


def read_copy(file: KnownFile, copies: Path) -> Bytes | None:
    """Read the unpacked copy in `copies`, if there is one and it has the SHA-256 of the unpacked content."""
    path = copies / file.name
    try:
        if file.content is None or not path.is_file():
            return None
        array = _read_known_idx(file, path)
    except (DataError, OSError):  # OSError: a folder that can't be entered
        return None
    return array if idx.content_sha256(array) == file.content else None


def _read_known_idx(file: KnownFile, path: Path) -> Bytes:
    return idx.read_labels(path) if "labels" in file.name else idx.read_images(path)


@read_once
def _packed_checksum(path: Path, algorithm: str) -> str | None:
    """Return the checksum of a gzipped file; None for a bare file."""
    try:
        if not idx.is_gzipped(path):
            return None
        with open_file(path) as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))  # type: ignore[arg-type]
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    return digest.hexdigest()


def _check_content(array: Bytes, known: KnownSet, file: KnownFile, path: Path, *, packed_fits: bool | None) -> None:
    """Raise the DataError for what is sound, but isn't `file`; `packed_fits` is None if it isn't gzipped as served."""
    content = idx.content_sha256(array)
    if content == file.content or (packed_fits and file.content is None):
        return
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


def _keep_unpacked_copy(array: Bytes, copy: Path) -> None:
    """Write the unpacked copy; without room or permission, go without."""
    try:
        with replacing(copy) as file:
            file.write(idx.idx_header(array))
            file.write(array.reshape(-1).data)
    except OSError as error:
        _log.debug("%s: no unpacked copy kept: %s", copy, error)
