"""A meter that times functions from outside: it wraps them while it measures, and leaves no trace."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """A function to time: attribute `attribute` of `owner` (an object or a module), under a name."""

    name: str
    owner: Any
    attribute: str


class Meter:
    """The seconds that parts take themselves, without the parts that they call, over a number of steps.

    So the parts of a step add up to the step. A part that is called within itself, or several times, is one row.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = defaultdict(int)
        """How often each part was called, in the last step."""
        self._seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]  # the seconds of the parts within the part at hand, a level each

    @contextmanager
    def wrapping(self, parts: Sequence[Part]) -> Iterator[None]:
        """Time these parts within the block.

        An object's method is put before its class's, in the object itself; a module's function is replaced and put
        back. What forward and backward compute stays as it is.
        """
        own = [(part, vars(part.owner).get(part.attribute)) for part in parts]
        for part in parts:
            setattr(part.owner, part.attribute, self._timed(part.name, getattr(part.owner, part.attribute)))
        try:
            yield
        finally:
            for part, before in own:
                if before is None:
                    delattr(part.owner, part.attribute)
                else:
                    setattr(part.owner, part.attribute, before)

    def step(self, function: Callable[[], object], rest: str) -> Mapping[str, float]:
        """Call a function; return the seconds of the parts within it, and of the `rest` of it."""
        self.calls.clear()
        self._seconds.clear()
        self._timed(rest, function)()
        return dict(self._seconds)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        inner, clock = self._inner, time.perf_counter

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            inner.append(0.0)
            started = clock()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = clock() - started
                self._seconds[name] += seconds - inner.pop()
                self.calls[name] += 1
                inner[-1] += seconds

        return timed
