"""The progress bar: on a terminal only, and gone at its end."""

import threading
from typing import Any

from tqdm import tqdm


class Bar(tqdm):  # type: ignore[type-arg]  # generic for type checkers alone
    """A bar that costs its process neither a thread nor a semaphore.

    tqdm's own lock is shared with processes that are started later. In a process of a spawned pool, which ends without
    a clean-up, it leaves a semaphore behind, and Python says so when the pool ends.
    """

    _lock = threading.RLock()
    monitor_interval = 0

    def __init__(self, total: int | None, unit: str, *, wanted: bool = True, **more: Any) -> None:
        hidden = None if wanted else True  # None: unless standard error is a terminal
        super().__init__(total=total, unit=unit, disable=hidden, leave=False, dynamic_ncols=True, **more)
