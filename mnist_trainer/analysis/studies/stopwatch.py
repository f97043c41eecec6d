"""Samples of the time that a loss mode takes, undisturbed by the garbage collector."""

import gc
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mnist_trainer.analysis.modes import Mode
from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array, Indices

SHORTEST_SAMPLE = 200e-6  # seconds; what is quicker is repeated within a sample


@dataclass(frozen=True)
class Samples:
    """Seconds of a mode's forward and backward at one size, of as many samples as there was time for."""

    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)


class Sampler:
    """Samples a mode at one size; the mode is warm, and its `loops` are 0 if it can't run."""

    def __init__(self, mode: Mode, logits: Array, labels: Indices, samples: Samples) -> None:
        self._mode, self._logits, self._labels, self._samples = mode, logits, labels, samples
        self.loops = 1
        try:
            self._times()
            quicker = min(self._times())
        except MistakeError:
            self.loops = 0
        else:
            self.loops = max(1, math.ceil(SHORTEST_SAMPLE / max(quicker, 1e-9)))

    def sample(self) -> None:
        """Take a sample."""
        forward, backward = self._times()
        self._samples.forward.append(forward)
        self._samples.backward.append(backward)

    def _times(self) -> tuple[float, float]:
        """Time `loops` forwards, then as many backwards of the last one; return the seconds of one."""
        mode, logits, labels, loops = self._mode, self._logits, self._labels, range(self.loops)
        started = time.perf_counter()
        for _ in loops:
            mode.forward(logits, labels)
        between = time.perf_counter()
        for _ in loops:
            mode.backward()
        return (between - started) / self.loops, (time.perf_counter() - between) / self.loops


@contextmanager
def without_gc() -> Iterator[None]:
    """Keep Python's garbage collector out of a measurement."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def median(values: Sequence[float]) -> float:
    """Return the median; NaN of nothing."""
    return statistics.median(values) if values else math.nan
