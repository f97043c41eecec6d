"""The progress bar: on a terminal only, and gone at its end."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mnist_trainer.process import is_terminal


@contextmanager
def without_variables(prefix: str) -> Iterator[None]:
    """Hide the environment's variables of this prefix within the block."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(prefix)}
    try:
        yield
    finally:
        os.environ.update(hidden)


# It reads them when it is loaded: TQDM_NCOLS=abc would end the command there, TQDM_BAR_FORMAT={x} in the first epoch
with without_variables("TQDM_"):
    from tqdm import tqdm


class Bar(tqdm):  # type: ignore[type-arg]  # generic for type checkers alone
    """A bar that costs its process neither a thread nor a semaphore.

    tqdm's own lock is shared with processes that are started later. In a process of a spawned pool, which ends without
    a clean-up, it leaves a semaphore behind, and Python says so when the pool ends.
    """

    _lock = threading.RLock()
    monitor_interval = 0

    def __init__(self, total: int | None, unit: str, *, wanted: bool = True, **more: Any) -> None:
        shown = wanted and is_terminal(more.get("file", sys.stderr))
        super().__init__(total=total, unit=unit, disable=not shown, leave=False, dynamic_ncols=True, **more)
