"""Sums that processes add up in the midst of their work, through shared memory; and how one waits for another."""

from collections.abc import Callable
from multiprocessing import get_context
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.shared import shared_zeros

if TYPE_CHECKING:
    from multiprocessing.synchronize import Semaphore

ROOM = 4096  # numbers that a process gives at a time
SPIN_SECONDS = 0.0002  # how long one looks for its turn before it sleeps: waking up takes 0.05 ms
WATCH_SECONDS = 0.1  # how often a sleeping one looks whether the others live


class LostError(Exception):
    """Whom one waits for is no longer alive."""


class Exchange:
    """Adds up what each of several processes has, always in their order: so the bits are the same from run to run.

    The first adds, and the others wait for it. All have to come, with arrays of the same size; `alive` tells by its
    number whether one still may, and `LostError` is raised where it won't.
    """

    def __init__(self, processes: int, dtype: DTypeLike, alive: Callable[[int], bool]) -> None:
        self._alive = alive
        self._numbers = range(1, processes)
        self._given = shared_zeros(processes * ROOM, dtype).reshape(processes, ROOM)
        self._total = shared_zeros(ROOM, dtype)
        self._gave, self._added = make_semaphores(processes), make_semaphores(processes)

    def add_up(self, number: int, sums: Array) -> Array:
        """Let the process of this number give its sums, and have the total in their place, in the model's dtype."""
        flat = np.ascontiguousarray(sums, self._total.dtype).reshape(-1)
        for start in range(0, len(flat), ROOM):
            (self._take if number else self._add)(number, flat[start : start + ROOM])
        sums[...] = flat.reshape(sums.shape)
        return sums

    def _add(self, number: int, sums: Array) -> None:
        for other in self._numbers:
            self._wait(self._gave[other], other)
            np.add(sums, self._given[other, : len(sums)], out=sums)
        self._total[: len(sums)] = sums
        for other in self._numbers:
            self._added[other].release()

    def _take(self, number: int, sums: Array) -> None:
        self._given[number, : len(sums)] = sums
        self._gave[number].release()
        self._wait(self._added[number], 0)
        sums[:] = self._total[: len(sums)]

    def _wait(self, semaphore: "Semaphore", other: int) -> None:
        if not acquire_while_alive(semaphore, lambda: self._alive(other)):
            raise LostError

    def clear(self) -> None:
        """Forget what some gave, and others didn't take."""
        clear_semaphores(self._gave, self._added)


def make_semaphores(processes: int) -> "list[Semaphore]":
    """Make one for each of so many processes, that nobody may acquire yet."""
    context = get_context("fork")
    return [context.Semaphore(0) for _ in range(processes)]


def clear_semaphores(*lists: "list[Semaphore]") -> None:
    """Take back what was released and not acquired."""
    for semaphores in lists:
        for semaphore in semaphores:
            while semaphore.acquire(False):
                pass


def acquire_while_alive(semaphore: "Semaphore", alive: Callable[[], bool]) -> bool:
    """Wait for one's turn, without sleeping at first; False if whom one waits for is no longer alive."""
    until = perf_counter() + SPIN_SECONDS
    while perf_counter() < until:
        if semaphore.acquire(False):
            return True
    while not semaphore.acquire(timeout=WATCH_SECONDS):
        if not alive():
            return semaphore.acquire(False)
    return True
