"""One flat parameter vector, one flat gradient vector, and the named views that layers get."""

import math
import mmap
from collections.abc import Mapping, Set

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array, Shape


class Parameters:
    """A model's parameters and gradients, each in one flat vector of `size` entries, and views of them by name.

    Parameters that weight decay applies to come first, so that decay is the slice `[:decayed]`. Never rebind a view
    (`w = ...`): write `w[...] = ...`. The values lie in memory that processes forked from this one share.
    """

    def __init__(self, shapes: Mapping[str, Shape], decayed: Set[str], dtype: DTypeLike) -> None:
        order = sorted(shapes, key=lambda name: name not in decayed)  # stable: the layers' order within each half
        self.size = sum(math.prod(shape) for shape in shapes.values())
        self.decayed = sum(math.prod(shapes[name]) for name in order if name in decayed)
        self.values: Array = shared_zeros(self.size, dtype)
        self.gradients: Array = np.zeros(self.size, dtype)
        self.views: dict[str, Array] = {}
        self.gradient_views: dict[str, Array] = {}
        start = 0
        for name in order:
            end = start + math.prod(shapes[name])
            self.views[name] = self.values[start:end].reshape(shapes[name])
            self.gradient_views[name] = self.gradients[start:end].reshape(shapes[name])
            start = end


def shared_zeros(size: int, dtype: DTypeLike) -> Array:
    """Make a vector of zeros in memory that processes forked from this one share; raises `MemoryError`."""
    try:
        memory = mmap.mmap(-1, max(1, size * np.dtype(dtype).itemsize))  # anonymous; freed with the last array on it
    except OSError as error:
        raise MemoryError(f"{size:,} numbers of {np.dtype(dtype)}: {error.strerror}") from error
    return np.frombuffer(memory, dtype, size)
