"""Parameters and state on disk: an npz file with the model's arrays, named as in the model; no pickle."""

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.kernels.arrays import Array

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,  # a bare array is no context manager
    AttributeError,
    KeyError,
    RuntimeError,  # and its NotImplementedError, of a compression that zipfile does not know
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and zipfile raise for files that are truncated, mutated, or something else."""


def save_parameters(path: Path, parameters: Mapping[str, Array]) -> None:
    """Write the arrays to a temporary name beside `path` and rename it, so that `path` is always whole."""
    write_arrays(path, parameters)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], *, previous: Path | None = None) -> None:
    """Write the arrays to a temporary name, and on to the disk, before `path` becomes theirs.

    What was at `path` is kept as `previous`, if that is given. Raises `OSError` naming the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the names, too
        finally:
            os.close(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # NumPy's doesn't name the file
    finally:
        temporary.unlink(missing_ok=True)


def load_parameters(path: Path, into: Mapping[str, Array]) -> None:
    """Copy the arrays of a file into others of the same names and shapes, all or none.

    Raises `DataError` naming the file if it is no such file or doesn't fit.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except UNREADABLE as error:
        raise DataError(f"{path}: not a readable parameter file: {error}") from error
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
