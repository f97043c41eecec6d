"""One flat parameter vector, one flat gradient vector, and the named views that layers get."""

import math
from collections.abc import Mapping, Set

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array, Shape


class Parameters:
    """A model's parameters and gradients, each in one flat vector of `size` entries, and views of them by name.

    Parameters that weight decay applies to come first, so that decay is the slice `[:decayed]`. Never rebind a view
    (`w = ...`): write `w[...] = ...`.
    """

    def __init__(self, shapes: Mapping[str, Shape], decayed: Set[str], dtype: DTypeLike) -> None:
        order = sorted(shapes, key=lambda name: name not in decayed)  # stable: the layers' order within each half
        self.size = sum(math.prod(shape) for shape in shapes.values())
        self.decayed = sum(math.prod(shapes[name]) for name in order if name in decayed)
        self.values: Array = np.zeros(self.size, dtype)
        self.gradients: Array = np.zeros(self.size, dtype)
        self.views: dict[str, Array] = {}
        self.gradient_views: dict[str, Array] = {}
        start = 0
        for name in order:
            end = start + math.prod(shapes[name])
            self.views[name] = self.values[start:end].reshape(shapes[name])
            self.gradient_views[name] = self.gradients[start:end].reshape(shapes[name])
            start = end
