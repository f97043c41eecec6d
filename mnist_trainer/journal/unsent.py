"""The outputs root's list of runs that MLflow doesn't have in full: `.unsent/<uuid>` holds a run's folder.

The journal enters a run when it starts, the shipper strikes it off when all is sent: a run whose
shipper was killed along with it is found by the next command.
"""

import os
from pathlib import Path

from mnist_trainer.files import JOURNAL, read_bytes

FOLDER = ".unsent"


def enter(store_folder: Path, run: str, folder: Path) -> None:
    """Note that `run`, whose journal is in `folder`, has events to send."""
    path = store_folder / FOLDER / run
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.fsencode(folder.absolute()) + b"\n")  # as it is on the disk, in whatever encoding


def strike(store_folder: Path, run: str) -> None:
    """Note that nothing of `run` is left to send."""
    (store_folder / FOLDER / run).unlink(missing_ok=True)


def listed(store_folder: Path) -> dict[str, Path]:
    """Return the runs entered and their folders, oldest first; those whose folder is gone are struck off."""
    found: list[tuple[float, str, Path]] = []
    for path in (store_folder / FOLDER).glob("*"):
        try:
            entered = path.stat().st_mtime
            folder = Path(os.fsdecode(read_bytes(path).strip()))
        except (OSError, ValueError):  # struck off by another process just now, or no entry at all
            continue
        if (folder / JOURNAL).exists():
            found.append((entered, path.name, folder))
        else:
            strike(store_folder, path.name)
    return {run: folder for _, run, folder in sorted(found)}
