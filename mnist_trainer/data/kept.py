"""Files that one job of a sweep has read, for the next one in the process: those that are the same aren't read anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

SETTLED_SECONDS = 2.0
"""How old a change has to be: a file's time is no finer on some disks, and a second change would not show."""
_reading: ContextVar[KeptFiles | None] = ContextVar("_reading", default=None)


class KeptFiles:
    """What the last data set was read from: its arrays, which nobody can write to any more, and their checksums.

    Nothing else is kept: as soon as a file is read that wasn't, what isn't of the same set is let go.
    """

    current: ClassVar[KeptFiles | None] = None
    """While a sweep runs its jobs in this process."""

    def __init__(self) -> None:
        self._before: dict[object, Any] = {}
        self._now: dict[object, Any] = {}

    def found(self, key: object, make: Callable[[], R]) -> R:
        """Return what has this key, kept from before, or made now."""
        if key not in self._now:
            if key not in self._before:
                self._before = {}
            self._now[key] = self._before[key] if self._before else make()
        kept: R = self._now[key]
        return kept

    def has(self, array: object) -> bool:
        """Whether this very array is kept."""
        return any(array is each for kept in self._now.values() for each in _arrays_in(kept))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep what is read within, in the place of what was before."""
        self._before, self._now = self._now, {}
        token = _reading.set(self)
        try:
            yield
        finally:
            _reading.reset(token)
            self._before = {}


def read_once(read: Callable[Concatenate[Path, P], R]) -> Callable[Concatenate[Path, P], R]:
    """Let what a function reads of a file be kept for as long as that is the same file, unchanged."""

    @wraps(read)
    def reading(path: Path, /, *given: P.args, **named: P.kwargs) -> R:
        kept, file = _reading.get(), _state(path)
        if kept is None or file is None:
            return read(path, *given, **named)

        def make() -> R:
            made = read(path, *given, **named)
            for array in _arrays_in(made):
                array.flags.writeable = False
            return made

        return kept.found((read, path, file, given, tuple(named.items())), make)

    return reading


def computed_once(compute: Callable[[Any], R]) -> Callable[[Any], R]:
    """Let what a function computes of an array be kept with that."""

    @wraps(compute)
    def computing(array: Any) -> R:
        kept = _reading.get()
        if kept is None or not kept.has(array):
            return compute(array)
        return kept.found((compute, id(array)), lambda: compute(array))

    return computing


def _arrays_in(made: object) -> list[np.ndarray[Any, Any]]:
    return [each for each in (made if isinstance(made, tuple) else (made,)) if isinstance(each, np.ndarray)]


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what tells a file from another one and from itself as it was; None if it has changed just now."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if time.time() - max(found.st_mtime, found.st_ctime) < SETTLED_SECONDS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
