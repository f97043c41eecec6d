"""NumPy's own files: an array (.npy), or several by name in an archive (.npz), as Keras' mnist.npz. Never a pickle."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mnist_trainer.data.content import CHUNK, opened_unpacked, read_into
from mnist_trainer.data.idx import Role
from mnist_trainer.data.kept import read_once
from mnist_trainer.data.values import Bytes, check_array_size, store_as_bytes, with_channels
from mnist_trainer.errors import DataError, as_data_errors, error_reason
from mnist_trainer.files import open_file

MAGIC = b"\x93NUMPY"
MOST_ARRAYS = 100


@dataclass(frozen=True)
class NumpyHeader:
    """What an array's header promises."""

    shape: tuple[int, ...]
    by_column: bool
    dtype: np.dtype[Any]

    @property
    def role(self) -> Role | None:
        """Images or labels, as far as the shape tells."""
        if len(self.shape) == 1 or (len(self.shape) == 2 and self.shape[1] == 1):
            return "labels"
        return "images" if len(self.shape) in (2, 3, 4) else None


def numpy_headers(path: Path) -> dict[str, NumpyHeader]:
    """Return the headers of an archive's arrays by name, or that of a single array by the name ''.

    Raises `DataError`.
    """
    with as_data_errors(path), _numpy_damage():
        if not _is_npz(path):
            with opened_unpacked(path, "an array is") as stream:
                return {"": _read_npy_header(stream)}
        from zipfile import ZipFile  # slow to load

        with open_file(path) as file, ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            if len(names) > MOST_ARRAYS:
                raise DataError(f"holds {len(names):,} arrays; at most {MOST_ARRAYS} are looked at")
            found = {}
            for name in names:
                with archive.open(name) as member:
                    found[name.removesuffix(".npy")] = _read_npy_header(cast(BinaryIO, member))
            return found


@read_once
def read_numpy_array(path: Path, name: str, role: Role) -> Bytes:
    """Read images (n, h, w, c) or labels (n,); raises `DataError`."""
    with as_data_errors(path), _numpy_damage():
        if not name and not _is_npz(path):
            with opened_unpacked(path, "an array is") as stream:
                return _read_npy(stream, role)
        from zipfile import ZipFile

        with open_file(path) as file, ZipFile(file) as archive, archive.open(f"{name}.npy") as member:
            return _read_npy(cast(BinaryIO, member), role)


def _is_npz(path: Path) -> bool:
    with open_file(path) as file:
        return file.read(4) == b"PK\x03\x04"


@contextmanager
def _numpy_damage() -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"can't be read: {error_reason(error)}") from error
    except Exception as error:  # zipfile's own, whose module is slow to load
        if type(error).__module__ != "zipfile":
            raise
        raise DataError(f"can't be read: {error}") from error


def _read_npy_header(stream: BinaryIO) -> NumpyHeader:
    magic = stream.read(8)
    if magic != MAGIC + b"\x01\x00":  # of later versions, a header may have gigabytes
        raise DataError(f"an array's file begins with {magic!r}; {MAGIC + bytes((1, 0))!r}, version 1, is wanted")
    try:
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)
    except Exception as error:  # Python's parser of literals raises many kinds
        raise DataError(f"an array's header can't be read: {error}") from error
    return NumpyHeader(shape, by_column, dtype)


def _read_npy(stream: BinaryIO, role: Role) -> Bytes:
    header = _read_npy_header(stream)
    if header.dtype.hasobject:
        raise DataError("holds Python objects, which only a pickle can, and reading one can run any code: save numbers")
    if header.dtype.kind not in "biuf":
        raise DataError(f"holds {header.dtype} elements; whole numbers from 0 to 255 fit")
    shape = header.shape
    if role == "labels":
        if header.role != "labels":
            raise DataError(f"labels of shape {shape}: (count) fits; of one-hot rows, take argmax(axis=1)")
        shape = shape[:1]
    if len(shape) == 0 or any(size < 0 for size in shape):
        raise DataError(f"an array of shape {shape}: not {role}")
    check_array_size(shape, "labels" if role == "labels" else "pixels")
    flat = np.empty(math.prod(shape), np.uint8)
    _fill_from_npy(stream, flat, header.dtype)
    array = flat.reshape(shape[::-1]).transpose() if header.by_column else flat.reshape(shape)
    return np.ascontiguousarray(with_channels(array)) if role == "images" else array


def _fill_from_npy(stream: BinaryIO, flat: Bytes, dtype: np.dtype[Any]) -> None:
    buffer = memoryview(bytearray(CHUNK))
    most = max(1, CHUNK // dtype.itemsize)
    for start in range(0, len(flat), most):
        into = flat[start : start + most]
        size = len(into) * dtype.itemsize
        if (held := read_into(stream, buffer[:size])) < size:
            raise DataError(
                f"truncated: an array of {len(flat):,} numbers ends after {start + held // dtype.itemsize:,}"
            )
        store_as_bytes(np.frombuffer(buffer[:size], dtype), into)
