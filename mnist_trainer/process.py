"""What a process has only one of, and several threads may want to change at once; after them it is as it was."""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal

_FILTERS = threading.RLock()


@contextmanager
def warnings_as(action: Literal["error", "ignore"], category: type[Warning] = Warning) -> Iterator[None]:
    """Raise or ignore warnings within the block, which one thread is in at a time."""
    with _FILTERS, warnings.catch_warnings(action=action, category=category):
        yield


class ProcessChange:
    """A change that all have in common who are within at once: the first one makes it, the last one takes it back."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._within = 0
        self._change = ExitStack()

    @contextmanager
    def made(self, change: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
        """Be within, for the block."""
        with self._turn:
            if self._within == 0:
                self._change.enter_context(change())
            self._within += 1
        try:
            yield
        finally:
            with self._turn:
                self._within -= 1
                if self._within == 0:
                    self._change.close()
