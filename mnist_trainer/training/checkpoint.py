"""Checkpoints on disk: named arrays and a JSON document in one npz file, with a checksum over all of it; no pickle.

`checkpoint.npz` is replaced as a whole, and what it was before stays as `checkpoint.previous.npz`: whenever the
process is killed, one of the two is there and whole.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DataError
from mnist_trainer.files import BEST, CHECKPOINT, LAST, PREVIOUS, parse_object
from mnist_trainer.parameter_files import read_arrays, write_arrays

FORMAT = 1

DOCUMENT, CHECKSUM = "document", "sha256"


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on: arrays by name, and a document of plain values."""

    arrays: Mapping[str, NDArray[Any]]
    document: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write it into the folder, and keep the one before; raises `OSError`, and leaves both as they were then."""
        document = json.dumps({"format": FORMAT, **self.document})
        arrays = {**self.arrays, DOCUMENT: np.frombuffer(document.encode(), np.uint8)}
        arrays[CHECKSUM] = np.frombuffer(_checksum(arrays), np.uint8)
        write_arrays(folder / CHECKPOINT, arrays, previous=folder / PREVIOUS)

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file; raises `DataError` naming it if it is anything but a whole checkpoint of this format."""
        arrays = read_arrays(path, "checkpoint")
        if not {DOCUMENT, CHECKSUM} <= arrays.keys():
            raise DataError(f"{path}: no checkpoint: it has no {DOCUMENT} and {CHECKSUM} ({LAST} and {BEST} don't)")
        if arrays.pop(CHECKSUM).tobytes() != _checksum(arrays):
            raise DataError(f"{path}: damaged: its content doesn't fit its checksum")
        try:
            document = parse_object(arrays.pop(DOCUMENT).tobytes())
        except ValueError as error:
            raise DataError(f"{path}: its {DOCUMENT} can't be read: {error}") from error
        if document.get("format") != FORMAT:
            raise DataError(f"{path}: a checkpoint of format {document.get('format')}; this version reads {FORMAT}")
        return cls(arrays, document)


def _checksum(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    checksum = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        checksum.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        checksum.update(np.ascontiguousarray(array).data)
    return checksum.digest()
