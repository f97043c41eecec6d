"""Parts of a whole, of a batch's rows or of the parameters, and the optimizers of sections of the parameters."""

import copy
import functools
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mnist_trainer.kernels.arrays import Array, Counts
from mnist_trainer.kernels.shared import shared_zeros
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.optimizer import Optimizer

LINE = 16  # numbers in a line of the cache, which no two processes should write to


@functools.cache
def even_slices(count: int, of: int, grain: int = 1) -> Sequence[slice]:
    """Divide 0 … count into `of` slices of nearly the same length, at multiples of `grain`."""
    bounds = [min(count, round(count * index / of / grain) * grain) for index in range(of)]
    return [slice(*pair) for pair in pairwise([*bounds, count])]


def section_optimizer(optimizer: Optimizer, model: Sequential, section: slice) -> Optimizer:
    """Make an optimizer of a section of the parameters, with the whole one's state there, in shared memory."""
    own, length = copy.copy(optimizer), section.stop - section.start
    own.build(length, model.dtype, min(max(optimizer.decayed - section.start, 0), length))
    for name, array in own.state().items():
        shared = shared_zeros(array.size, array.dtype).reshape(array.shape)
        np.copyto(shared, state_of_section(optimizer.state()[name], model, section))
        (attribute,) = (each for each, value in vars(own).items() if value is array)
        setattr(own, attribute, shared)
    return own


def give_section_back(own: Optimizer, optimizer: Optimizer, model: Sequential, section: slice) -> None:
    """Bring the state of a section's optimizer into the whole one's."""
    for name, array in own.state().items():
        np.copyto(state_of_section(optimizer.state()[name], model, section), array)


def state_of_section(state: Array | Counts, model: Sequential, section: slice) -> Array | Counts:
    """Return the section of an optimizer's state; of one that is no vector of the parameters, all of it."""
    return state[section] if len(state) == model.parameters.size else state
