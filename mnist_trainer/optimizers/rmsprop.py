"""RMSprop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels.arrays import Array, blank, buffer
from mnist_trainer.kernels.updates import add_scaled, in_blocks
from mnist_trainer.optimizers.optimizer import Optimizer


@dataclass(eq=False)
class RMSprop(Optimizer):
    """s ← ρ s + (1 − ρ) g²; w ← w − η g / (√s + ε), after adding the L2 term λ w to g.

    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012.
    """

    elementwise: ClassVar[bool] = True

    rho: float = hyperparameter(0.99, minimum=0, below=1)
    epsilon: float = hyperparameter(1e-8, above=0)
    weight_decay: float = hyperparameter(0.0, minimum=0)

    _squares: Array = buffer()

    def build(self, size: int, dtype: DTypeLike, decayed: int | None = None) -> None:
        """Start from s = 0."""
        super().build(size, dtype, decayed)
        self._squares = blank(size, dtype)

    def state(self) -> Mapping[str, Array]:
        """Give s."""
        return {"squares": self._squares}

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Update the parameters in place."""
        if self.weight_decay:
            decayed, weights = gradients[: self.decayed], parameters[: self.decayed]
            add_scaled(decayed, weights, self.weight_decay, scratch=self._scratch)
        for w, g, squares, scratch in in_blocks(parameters, gradients, self._squares, scratch=self._scratch):
            np.square(g, out=scratch)
            scratch *= 1 - self.rho
            squares *= self.rho
            squares += scratch
            np.sqrt(squares, out=scratch)
            scratch += self.epsilon
            g /= scratch
            g *= learning_rate
            w -= g
