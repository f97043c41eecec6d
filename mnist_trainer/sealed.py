"""Named arrays and a JSON document in one npz file, with a checksum over all of it; no pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.files import parse_object
from mnist_trainer.parameter_files import read_arrays, write_arrays

DOCUMENT, CHECKSUM = "document", "sha256"

Arrays = Mapping[str, NDArray[Any]]


def write_sealed(
    path: Path, arrays: Arrays, document: Mapping[str, Any], *, version: int, previous: Path | None = None
) -> None:
    """Write a file of that format's version, whole and on to the disk; raises `OSError` naming it.

    What was at `path` is kept as `previous`, if that is given.
    """
    text = json.dumps({"format": version, **document})
    sealed = {**arrays, DOCUMENT: np.frombuffer(text.encode(), np.uint8)}
    sealed[CHECKSUM] = np.frombuffer(checksum_of(sealed), np.uint8)
    write_arrays(path, sealed, previous=previous)


def read_sealed(path: Path, what: str, *, version: int, others: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return a file's arrays and document.

    Raises `DataError` naming the file if it is anything but a whole one of that version; `what` it is to be, and which
    `others` are none, is for the error.
    """
    arrays = read_arrays(path, what)
    if not {DOCUMENT, CHECKSUM} <= arrays.keys():
        raise DataError(f"{path}: no {what}: it has no {DOCUMENT} and {CHECKSUM} ({others} don't)")
    if arrays.pop(CHECKSUM).tobytes() != checksum_of(arrays):
        raise DataError(f"{path}: damaged: its content doesn't fit its checksum")
    try:
        document = parse_object(arrays.pop(DOCUMENT).tobytes())
    except ValueError as error:
        raise DataError(f"{path}: its {DOCUMENT} can't be read: {error}") from error
    found = document.get("format")
    if found != version:
        raise DataError(f"{path}: a {what} of format {found}; this version reads {version}")
    return arrays, document


def checksum_of(arrays: Arrays) -> bytes:
    """Return the SHA-256 of the arrays, with their names, types and shapes."""
    checksum = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        checksum.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        checksum.update(np.ascontiguousarray(array).data)
    return checksum.digest()
