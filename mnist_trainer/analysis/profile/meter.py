"""A meter that times functions from outside, and the machine's peak at matrix products."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.training.wrapping import Wrapped, wrapping

SIDE = 1024


@dataclass(frozen=True)
class TimedPart:
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

    def wrapping(self, parts: Sequence[TimedPart]) -> AbstractContextManager[None]:
        """Time these parts within the block. What forward and backward compute stays as it is."""
        timed = [Wrapped(part.owner, part.attribute, functools.partial(self._timed, part.name)) for part in parts]
        return wrapping(timed)

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


class PeakRate:
    """Samples of how many operations a second a product of two large square matrices reaches."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._a, self._b = np.random.default_rng(0).standard_normal((2, SIDE, SIDE)).astype(dtype)
        self._out = np.empty_like(self._a)
        self.sample()  # the first one makes the library's buffers

    def sample(self) -> float:
        """Multiply once; return operations a second."""
        started = time.perf_counter()
        np.matmul(self._a, self._b, out=self._out)
        return 2.0 * SIDE**3 / (time.perf_counter() - started)
