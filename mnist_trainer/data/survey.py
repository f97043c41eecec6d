"""What lies in a folder: the pieces of data sets, found by their content, and what is none of them."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mnist_trainer.data import idx
from mnist_trainer.data.content import unpacked_head
from mnist_trainer.data.names import named_role, part_of_path, stem
from mnist_trainer.data.numpy_files import MAGIC, numpy_headers
from mnist_trainer.data.pictures import SUFFIXES
from mnist_trainer.data.pieces import DataPiece
from mnist_trainer.data.tables import columns_of
from mnist_trainer.errors import DataError, error_reason

DEEPEST = 8
MOST_FILES = 2_000  # that are looked into
MOST_NAMES = 2_000_000
FITS = (
    "what fits: IDX files (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-..., gzipped or not), an .npz as "
    "Keras' mnist.npz, a CSV with label and pixels in each line, or PNGs in a folder per class"
)
_STRANGERS = {
    b"\x89HDF": "HDF5: save its arrays with numpy.savez",
    b"MATLAB": "MATLAB's: save its arrays with numpy.savez",
    b"PAR1": "Parquet: save its arrays with numpy.savez",
    b"\x80\x02": "a pickle, which is never loaded, since that can run any code: numpy.savez is safe",
    b"\x80\x03": "a pickle, which is never loaded, since that can run any code: numpy.savez is safe",
    b"\x80\x04": "a pickle, which is never loaded, since that can run any code: numpy.savez is safe",
    b"\x80\x05": "a pickle, which is never loaded, since that can run any code: numpy.savez is safe",
    b"BZh": "packed by bzip2: unpack it",
    b"\xfd7zXZ": "packed by xz: unpack it",
    b"7z\xbc\xaf": "an archive: unpack it",
    b"<!DO": "a web page: a download that failed?",
    b"<htm": "a web page: a download that failed?",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself",
}


@dataclass(frozen=True)
class Survey:
    """The pieces within `root`, nearest first, and the rest in words."""

    root: Path
    pieces: tuple[DataPiece, ...]
    others: tuple[str, ...]

    def listing(self) -> str:
        """Say what there is, in few words, and what would fit."""
        names = [self.shown(piece) for piece in self.pieces] + list(self.others)
        if not names:
            return f"{self.root} is empty; {FITS}"
        more = f", and {len(names) - 8:,} more" if len(names) > 8 else ""
        return f"{self.root} holds {', '.join(names[:8])}{more}; {FITS}"

    def shown(self, piece: DataPiece) -> str:
        """Name a piece as it lies in the folder."""
        place = piece.place if piece.place == self.root else piece.place.relative_to(self.root)
        if piece.form == "pictures":
            files = sum(map(len, piece.classes.values()))
            return f"{place} ({files:,} pictures in {len(piece.classes):,} folders)"
        return str(place)


def survey(root: Path) -> Survey:
    """Look what lies at `root`, a folder or a file; raises `DataError` if there is neither, or it can't be read."""
    try:
        kind = root.stat().st_mode
        if stat.S_ISDIR(kind):
            pieces, others = _in_folder(root)
        elif stat.S_ISREG(kind):
            pieces, others = _in_file(root, Path())
        else:
            raise DataError(f"{root}: neither a file nor a folder")
    except FileNotFoundError as error:
        raise DataError(f"{root}: no such folder or file") from error
    except (OSError, ValueError) as error:  # the latter of a name with a null byte
        raise DataError(f"{root}: can't be read ({getattr(error, 'strerror', None) or error})") from error
    return Survey(root, tuple(pieces), tuple(others))


def _in_folder(root: Path) -> tuple[list[DataPiece], list[str]]:
    pieces: list[DataPiece] = []
    others: list[str] = []
    pictures: dict[Path, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    files = 0
    for folder, entries in _walk_folders(root):
        for entry in entries:
            path = folder / entry.name
            within = path.relative_to(root)
            if _is(entry, "dir"):
                continue
            if not _is(entry, "file"):
                if _is_official(entry.name):  # a dangling link, a pipe: its reader says so
                    pieces.append(DataPiece(path, "idx", part_of_path(within), named_role(entry.name) or "images"))
                else:
                    others.append(f"{within} (not a file)")
            elif entry.name.lower().endswith(SUFFIXES):
                pictures[folder.parent][folder.name].append(entry.name)
            elif files < MOST_FILES:
                files += 1
                found, rest = _in_file(path, within)
                pieces += found
                others += rest
    for folder, classes in sorted(pictures.items()):
        if folder == root.parent:
            others.append(f"{sum(map(len, classes.values())):,} pictures in no folder of a class")
            continue
        within = folder.relative_to(root)
        for name in [name for name in classes if part_of_path(Path(name))]:
            others.append(f"{within / name} ({len(classes.pop(name)):,} pictures in no folder of a class)")
        if len(classes) == 1:
            others.append(
                f"{within / next(iter(classes))} (pictures, in a single folder: one for each class is wanted)"
            )
        elif classes:
            frozen = {name: tuple(sorted(names)) for name, names in classes.items()}
            pieces.append(DataPiece(folder, "pictures", part_of_path(within), None, classes=frozen))
    return pieces, others


def _walk_folders(root: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Go over the folders, the nearest first, each once, with what lies in them by name."""
    left, seen, names = [(root, 0)], set(), 0
    while left:
        folder, depth = left.pop(0)
        try:
            status = folder.stat()
            with os.scandir(folder) as found:
                entries = sorted((each for each in found if not each.name.startswith(".")), key=lambda each: each.name)
        except OSError:
            if folder == root:
                raise
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        names += len(entries)
        if names > MOST_NAMES:
            raise DataError(f"{root}: more than {MOST_NAMES:,} files and folders; name the folder of the data itself")
        yield folder, entries
        if depth < DEEPEST:
            left += [
                (folder / each.name, depth + 1) for each in entries if _is(each, "dir") and each.name != "__MACOSX"
            ]


def _is(entry: os.DirEntry[str], what: Literal["dir", "file"]) -> bool:
    try:
        return entry.is_dir() if what == "dir" else entry.is_file()
    except OSError:  # a link in a circle
        return False


def _in_file(path: Path, within: Path) -> tuple[list[DataPiece], list[str]]:
    """Return the pieces in a file, or else what it is; a file that is named itself has no name `within` a folder."""
    shown = str(within) if within.parts else path.name
    try:
        head = unpacked_head(path)
    except OSError as error:
        if _is_official(path.name):
            return [DataPiece(path, "idx", part_of_path(within), named_role(path.name) or "images")], []
        return [], [f"{shown} (can't be read: {error_reason(error)})"]
    if (role := idx.idx_role(head)) or _is_official(path.name):
        return [DataPiece(path, "idx", part_of_path(within), named_role(path.name) or role or "images")], []
    if head.startswith((MAGIC, b"PK\x03\x04")):
        return _arrays(path, within, shown)
    if columns := columns_of(head):
        return [DataPiece(path, "table", part_of_path(within), None if columns.label is not None else "images")], []
    what = next((words for start, words in _STRANGERS.items() if head.startswith(start)), None)
    return [], [f"{shown} ({what})" if what else shown]


def _arrays(path: Path, within: Path, shown: str) -> tuple[list[DataPiece], list[str]]:
    try:
        arrays = numpy_headers(path)
    except DataError as error:
        return [], [f"{shown} ({str(error).removeprefix(f'{path}: ')})"]
    if not arrays:
        return [], [f"{shown} (an archive without arrays: unpack it)"]
    pieces, others = [], []
    for name, header in arrays.items():
        role = named_role(name) or named_role(path.name) or header.role
        if role is None:
            others.append(f"{shown}/{name} (an array of shape {header.shape})")
        else:
            pieces.append(DataPiece(path, "numpy", part_of_path(within, name), role, name))
    return pieces, others


def _is_official(name: str) -> bool:
    """Whether a file is called as those of MNIST and its siblings, whatever it holds: its reader says what is wrong."""
    name = stem(name)
    return name.endswith(("-ubyte", "-idx2-int")) and "idx" in name
