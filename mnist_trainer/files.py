"""Files that others may have written, opened only where they are files, and JSON only where it is an object."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

# In a run's folder
CONFIG = "config.yaml"  # as it was resolved
JOURNAL = "journal.jsonl"
OUTCOME = "outcome.json"
LAST, BEST = "last.npz", "best.npz"
MODEL = "model.npz"  # what was tested, and all that it takes to use it
ONNX = "model.onnx"
CHECKPOINT, PREVIOUS = "checkpoint.npz", "checkpoint.previous.npz"
CHECKPOINT_FORMAT = 1
CUT = "journal.cut.jsonl"  # metrics that were told, and may be told again
OVERRIDES = Path(".hydra", "overrides.yaml")  # written by Hydra
# In a sweep's
SWEEP = "sweep.json"
STUDY = "study.json"  # of one whose jobs Optuna chose

MOST_BYTES = 1 << 24  # of a file that is read as a whole
MOST_YAML = 1 << 18  # which takes two seconds to parse


def at_home(path: str) -> str:
    """Write out the `~` that a path begins with, which a shell does not within quotes, nor anything in a file."""
    return os.path.expanduser(path)  # noqa: PTH111  (a user may have no home: then it is ~ itself)


def open_file(path: Path) -> BinaryIO:
    """Open a file to read; raises `OSError`, too, for a pipe, which would wait, and a device, which might never end."""
    return cast(BinaryIO, open(path, "rb", opener=_opener))  # Path.open takes no opener


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", path)
    return descriptor


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a file of at most so many bytes; raises `OSError` and, if it is no UTF-8 or larger, `ValueError`."""
    return read_bytes(path, most).decode()


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file of at most so many bytes; raises `OSError` and, if it is larger, `ValueError`."""
    with open_file(path) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"more than {most:,} bytes")
    return found


def read_object(path: Path) -> dict[str, Any]:
    """Read a small file that holds a JSON object; raises `OSError`, or `ValueError` for anything else."""
    return parse_object(read_text(path))


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object; raises `ValueError` for anything else."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


@contextmanager
def replacing(target: Path, *, durable: bool = False, previous: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file to write: renamed to `target` when the block ends well, else removed. Raises OSError.

    A `durable` one is on the disk by then, where it survives a power failure. What was at `target` is kept as
    `previous`, if that is given.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # The random part is for hosts that share a folder, where process ids can meet.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if previous is not None and target.exists():
            target.replace(previous)
        temporary.replace(target)
        if durable:
            sync_names(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_names(folder: Path) -> None:
    """Put the names of a folder's files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Let an `OSError` from within name this file: that of a full disk names none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all; raises `OSError` naming it."""
    with naming_file(path), replacing(path) as file:
        file.write(text.encode())
