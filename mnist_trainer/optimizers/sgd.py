"""Stochastic gradient descent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels.arrays import Array, blank, buffer
from mnist_trainer.kernels.updates import add_scaled, in_blocks
from mnist_trainer.optimizers.optimizer import Optimizer


@dataclass(eq=False)
class SGD(Optimizer):
    """v ← μ v + g; w ← w − η v, or with Nesterov w ← w − η (g + μ v).

    `decay` chooses how the weight decay λ enters: "l2" adds λ w to g, "decoupled" multiplies w by 1 − η λ.
    Momentum as in Sutskever et al. (https://proceedings.mlr.press/v28/sutskever13.html), in PyTorch's scaling.
    """

    elementwise: ClassVar[bool] = True

    momentum: float = hyperparameter(0.9, minimum=0, below=1)
    nesterov: bool = False
    weight_decay: float = hyperparameter(0.0, minimum=0)
    decay: Literal["l2", "decoupled"] = hyperparameter("l2", choices=("l2", "decoupled"))

    _velocity: Array = buffer()

    def build(self, size: int, dtype: DTypeLike, decayed: int | None = None) -> None:
        """Start from v = 0."""
        super().build(size, dtype, decayed)
        self._velocity = blank(size, dtype)

    def state(self) -> Mapping[str, Array]:
        """Give v."""
        return {"velocity": self._velocity}

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Update the parameters in place."""
        if self.weight_decay:
            weights = parameters[: self.decayed]
            if self.decay == "decoupled":
                weights *= 1 - learning_rate * self.weight_decay
            else:
                add_scaled(gradients[: self.decayed], weights, self.weight_decay, scratch=self._scratch)
        for w, g, v, scratch in in_blocks(parameters, gradients, self._velocity, scratch=self._scratch):
            v *= self.momentum
            v += g
            if self.nesterov:
                g += np.multiply(v, self.momentum, out=scratch)
                g *= learning_rate
            else:
                np.multiply(v, learning_rate, out=g)
            w -= g
