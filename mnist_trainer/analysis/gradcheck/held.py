"""Functions made repeatable: the random generators that layers and losses hold, in the same state at every call.

So a mask stays what it is. The generators of layers inside others, and in lists and dictionaries, are found too.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss

T = TypeVar("T")


class HeldGenerators:
    """The random generators in a function, which every call finds in the same state."""

    def __init__(self, *holders: object) -> None:
        found = {id(generator): generator for holder in holders for generator in held_generators(holder)}
        self._states = [(generator, generator.bit_generator.state) for generator in found.values()]

    def call(self, function: Callable[[], T]) -> T:
        """Put the states back, then call."""
        for generator, state in self._states:
            generator.bit_generator.state = state
        return function()

    @property
    def used(self) -> bool:
        """Whether the last call drew random numbers."""
        return any(generator.bit_generator.state != state for generator, state in self._states)

    def repeats(self, function: Callable[[], float]) -> bool:
        """Tell whether two calls return the same."""
        with np.errstate(all="ignore"):
            one, two = self.call(function), self.call(function)
        return one == two or (math.isnan(one) and math.isnan(two))


def held_generators(holder: object) -> Iterator[np.random.Generator]:
    """Find the random generators that a layer, a loss, or what they hold, holds."""
    if isinstance(holder, np.random.Generator):
        yield holder
        return
    if isinstance(holder, Layer | Loss):
        holder = vars(holder)
    if isinstance(holder, Mapping):
        holder = list(holder.values())
    if isinstance(holder, list | tuple):
        for value in holder:
            yield from held_generators(value)
