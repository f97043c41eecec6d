"""Files that others may have written, opened only where they are files, and JSON only where it is an object."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, cast

MOST_BYTES = 1 << 24  # of a file that is read as a whole


def open_file(path: Path) -> BinaryIO:
    """Open a file to read; raises `OSError`, too, for a pipe, which would wait, and a device, which might never end."""
    return cast(BinaryIO, open(path, "rb", opener=_opener))  # Path.open takes no opener


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", path)
    return descriptor


def read_text(path: Path) -> str:
    """Read a small file; raises `OSError` and, if it is no UTF-8 or too large, `ValueError`."""
    with open_file(path) as file:
        found = file.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    return found.decode()


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
