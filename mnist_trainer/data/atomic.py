"""Files that appear whole or not at all, also when several processes write the same one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a file to write: renamed to `target` when the block ends well, else removed. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # The random part is for hosts that share a home folder, where process ids can meet.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
