"""How many of the numbers that an update works with are subnormal, which some processors are slow with."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.subnormals import count_subnormals
from mnist_trainer.training.trainer import Trainer
from mnist_trainer.training.wrapping import Wrapped, wrapping


@dataclass
class Tally:
    """How many numbers of a kind there are, and how many are subnormal."""

    numbers: int = 0
    subnormal: int = 0

    def add(self, array: Any) -> None:
        """Count those of an array, if it is one of floating-point numbers."""
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            self.numbers += array.size
            self.subnormal += count_subnormals(array)


def tally_update(trainer: Trainer, update: Callable[[], object]) -> Mapping[str, Tally]:
    """Do an update; count the layers' outputs and their gradients, the parameters' gradients, and what it leaves."""
    names = ("activations", "activations' gradients", "parameters' gradients", "parameters and running statistics")
    tallies = {name: Tally() for name in (*names, "optimizer's state")}
    activations, backward, gradients, arrays, state = tallies.values()

    def counted(tally: Tally, function: Callable[..., Array | None]) -> Callable[..., Array | None]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Array | None:
            result = function(*args, **kwargs)
            tally.add(result)
            return result

        return called

    def with_gradients(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> None:
            gradients.add(trainer.model.parameters.gradients)
            function(*args, **kwargs)

        return called

    steps = [place.step for place in trainer.model.stack.places()]
    forward = [Wrapped(step, "forward", functools.partial(counted, activations)) for step in steps]
    returned = [Wrapped(each, "backward", functools.partial(counted, backward)) for each in (*steps, trainer.loss)]
    with wrapping([*forward, *returned, Wrapped(trainer.optimizer, "step", with_gradients)]):
        update()
    for tally, left in ((arrays, trainer.model.arrays), (state, trainer.optimizer.state())):
        for array in left.values():
            tally.add(array)
    return tallies
