"""The average of what was learned, over the updates: what is tested in the place of the last parameters."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mnist_trainer.kernels import averages, updates
from mnist_trainer.kernels.arrays import Array
from mnist_trainer.model import Sequential

WARM = 10
"""How many times as long as its average's reach a run is, at first."""


class WeightAverage:
    """The exponential moving average of a model's parameters and, alike, of the layers' state.

    At update t the average goes 1 − decay of the way to what was learned, but at first more, 10 / (t + 9): all of it at
    update 1, so that the initial values never count, and so that it reaches back over about a tenth of the run so far
    and no more, however short that is (as TensorFlow's moving averages, which take a decay of (1 + t) / (10 + t) then).
    Batch normalisation's running statistics are averaged with the parameters that they belong to, as is usual: the last
    ones would be those of other activations.
    """

    def __init__(self, model: Sequential, decay: float) -> None:
        self._model, self._decay = model, decay
        parameters = model.parameters
        self._values = parameters.values.copy()
        self._scratch = np.empty(min(updates.block_length(model.dtype), max(1, parameters.size)), model.dtype)
        self.arrays: dict[str, Array] = {}
        """The averages, by the names of the model's arrays."""
        start = 0
        for name, array in parameters.views.items():
            self.arrays[name] = self._values[start : start + array.size].reshape(array.shape)
            start += array.size
        state = {name: array for name, array in model.arrays.items() if name not in self.arrays}
        self.arrays |= {name: array.copy() for name, array in state.items()}
        self._state = [(self.arrays[name], array) for name, array in state.items()]
        self.apart = True
        """Whether model and average each have their own arrays' values, whole."""

    def follow(self, step: int) -> None:
        """Take in what the model has learned after `step` updates, this one counted."""
        weight = max(1 - self._decay, WARM / (step + WARM - 1))
        averages.move_average(self._values, self._model.parameters.values, weight, scratch=self._scratch)
        for average, new in self._state:
            if np.issubdtype(average.dtype, np.inexact):
                average += weight * (new - average)
            else:  # a count, say
                np.copyto(average, new)

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Let the model have the averages within the block, for a pass that learns nothing."""
        self.apart = False
        self._exchange()
        try:
            yield
        finally:
            self._exchange()
            self.apart = True

    def _exchange(self) -> None:
        for name, array in self._model.arrays.items():
            kept = array.copy()
            np.copyto(array, self.arrays[name])
            np.copyto(self.arrays[name], kept)
