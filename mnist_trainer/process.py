"""What a process has only one of, and several threads may want to change at once; after them it is as it was."""

import gc
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

_FILTERS = threading.RLock()


@contextmanager
def warnings_as(action: Literal["error", "ignore"], category: type[Warning] = Warning) -> Iterator[None]:
    """Raise or ignore warnings within the block, which one thread is in at a time."""
    with _FILTERS, warnings.catch_warnings(action=action, category=category):
        yield


def collect_garbage_again() -> None:
    """Enable the garbage collector, without which imports are quicker; what they made stays, and isn't looked through.

    To be called before what makes garbage: that which is there stays, too.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def is_terminal(stream: Any) -> bool:
    """Tell whether somebody watches a stream; a program without a console has None, others closed theirs."""
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:
        return False


def bars_away() -> AbstractContextManager[None]:
    """Take the progress bars away within the block, and put them back below what it writes."""
    bars = sys.modules.get("mnist_trainer.bar")  # until it is loaded, and tqdm with it, there is no bar
    away: AbstractContextManager[None] = bars.Bar.external_write_mode() if bars else nullcontext()
    return away


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
