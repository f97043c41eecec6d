"""Parameters and state on disk: an npz file with the model's arrays, named as in the model; no pickle."""

import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError, error_reason
from mnist_trainer.files import naming_file, open_file, replacing
from mnist_trainer.kernels.arrays import Array
from mnist_trainer.process import warnings_as

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,  # a bare array is no context manager
    AttributeError,
    KeyError,
    RuntimeError,  # and its NotImplementedError, of a compression that zipfile does not know
    ArithmeticError,
    MemoryError,
    SyntaxError,
    Warning,  # of a header that NumPy 2 would not write
    struct.error,
    tokenize.TokenError,  # of a header that is cut
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise for files that are truncated, mutated, or something else."""


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], *, previous: Path | None = None) -> None:
    """Write the arrays, on to the disk, before `path` becomes theirs; raises `OSError` naming the file.

    What was at `path` is kept as `previous`, if that is given.
    """
    with naming_file(path), replacing(path, durable=True, previous=previous) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz file of numbers; `what` it is to be is for the error.

    Raises `DataError` naming the file if it is anything else, and before it takes more memory than the file's size.
    """
    try:
        with open_file(path) as stream, warnings_as("error"):
            with zipfile.ZipFile(stream) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > os.fstat(stream.fileno()).st_size:
                raise ValueError(f"its {size:,} bytes are packed; it must be one that was written here")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
                    raise ValueError(f"{name} is no array of numbers")
    except UNREADABLE as error:
        raise DataError(f"{path}: not a readable {what}: {error_reason(error)}") from error
    return arrays


def load_parameters(path: Path, into: Mapping[str, Array]) -> None:
    """Copy the arrays of a file into others of the same names and shapes, all or none.

    Raises `DataError` naming the file if it is no such file or doesn't fit.
    """
    fill_parameters(read_arrays(path, "parameter file"), into, path)


def fill_parameters(arrays: Mapping[str, NDArray[Any]], into: Mapping[str, Array], path: Path) -> None:
    """Copy arrays, which a file has held, into others of the same names and shapes, all or none; raises `DataError`."""
    if arrays.keys() != into.keys():
        missing, unknown = sorted(into.keys() - arrays.keys()), sorted(arrays.keys() - into.keys())
        raise DataError(f"{path}: parameters of another model: missing {missing}, unknown {unknown}")
    for name, array in arrays.items():
        if array.shape != into[name].shape or array.dtype.kind != "f":
            raise DataError(
                f"{path}: {name} is of shape {array.shape} and type {array.dtype}: must be {into[name].shape}, "
                f"{into[name].dtype}"
            )
    for name, array in arrays.items():
        into[name][...] = array
