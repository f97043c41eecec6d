"""Checkpoints on disk: named arrays and a JSON document in one npz file, with a checksum over all of it; no pickle.

`checkpoint.npz` is replaced as a whole, and what it was before stays as `checkpoint.previous.npz`: whenever the
process is killed, one of the two is there and whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mnist_trainer.files import BEST, CHECKPOINT, CHECKPOINT_FORMAT, LAST, PREVIOUS
from mnist_trainer.sealed import read_sealed, write_sealed


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on: arrays by name, and a document of plain values."""

    arrays: Mapping[str, NDArray[Any]]
    document: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write it into the folder, and keep the one before; raises `OSError`, and leaves both as they were then."""
        write_sealed(
            folder / CHECKPOINT, self.arrays, self.document, version=CHECKPOINT_FORMAT, previous=folder / PREVIOUS
        )

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a file; raises `DataError` naming it if it is anything but a whole checkpoint of this format."""
        return cls(*read_sealed(path, "checkpoint", version=CHECKPOINT_FORMAT, others=f"{LAST} and {BEST}"))
