"""Samples of the time that losses take, in turns, undisturbed by the garbage collector."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.config import LossConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array, Indices

MOST_ROUNDS = 35  # of samples at a size, each time it is visited
SHORTEST_SAMPLE = 200e-6  # seconds; what is quicker is repeated within a sample


@dataclass(frozen=True)
class TimeSamples:
    """Seconds of forward and backward at one size, of as many samples as there was time for."""

    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)


class TimeSampler:
    """Samples a loss mode, or what goes forward and backward like one; its `loops` are 0 if it can't run."""

    def __init__(self, loss: LossMode, logits: Array, labels: Indices, samples: TimeSamples) -> None:
        self._loss, self._logits, self._labels, self._samples = loss, logits, labels, samples
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
        loss, logits, labels, loops = self._loss, self._logits, self._labels, range(self.loops)
        started = time.perf_counter()
        for _ in loops:
            loss.forward(logits, labels)
        between = time.perf_counter()
        for _ in loops:
            loss.backward()
        return (between - started) / self.loops, (time.perf_counter() - between) / self.loops


def take_time_samples(
    modes: Sequence[LossConfig], batch_size: int, classes: int, samples: Sequence[TimeSamples], *, seconds: float
) -> None:
    """Take samples at one size, in rounds of one a mode, with another mode first each time."""
    logits, labels = draw_loss_batch(batch_size, classes)
    samplers = [
        TimeSampler(LossMode(config, classes, batch_size, np.float32), logits, labels, into)
        for config, into in zip(modes, samples, strict=True)
    ]
    call_in_turns([sampler.sample for sampler in samplers if sampler.loops], seconds=seconds, most=MOST_ROUNDS)


def draw_loss_batch(batch_size: int, classes: int) -> tuple[Array, Indices]:
    """Draw float32 logits of standard deviation 3, as those of a network in training, and labels."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((batch_size, classes), np.float32)
    logits *= 3
    return logits, rng.integers(0, classes, batch_size)


def call_in_turns(
    functions: Sequence[Callable[[], object]], *, seconds: float, least: int = 1, most: float = math.inf
) -> None:
    """Call all once a round, another one first each time, for so many seconds and at least so many rounds."""
    ends, round_ = time.perf_counter() + seconds, 0
    with without_gc():
        while functions and round_ < most and (round_ < least or time.perf_counter() <= ends):
            for index in range(len(functions)):
                functions[(index + round_) % len(functions)]()
            round_ += 1


def quartile_time(values: Sequence[float]) -> float:
    """Return the lower quartile; NaN of nothing.

    What else runs on the machine only adds to a time, on a crowded one to more than half of the calls: then a median
    tells of the others.
    """
    return sorted(values)[len(values) // 4] if values else math.nan


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
