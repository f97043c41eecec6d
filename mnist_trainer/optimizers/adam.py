"""Adam and AdamW, which differ in how weight decay enters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels.arrays import Array, Counts, blank, buffer
from mnist_trainer.kernels.updates import add_scaled, in_blocks
from mnist_trainer.optimizers.optimizer import Optimizer


@dataclass(eq=False)
class AdamBase(Optimizer):
    """The moments and the update that Adam and AdamW share; they differ in how weight decay enters.

    The vectors hold M = m / (1 − β₁) and V = v / (1 − β₂), so that M ← β₁ M + g and V ← β₂ V + g², and the bias
    corrections go into one factor and one ε: ten passes instead of thirteen. Other scalings of M and V only move their
    three multiplications. The root takes a quarter of the time; squaring instead of g · g saves 4 % (670,000 entries).
    """

    beta1: float = hyperparameter(0.9, minimum=0, below=1)
    beta2: float = hyperparameter(0.999, minimum=0, below=1)
    epsilon: float = hyperparameter(1e-8, above=0)

    _steps: Counts = buffer()
    _first: Array = buffer()
    _second: Array = buffer()

    def build(self, size: int, dtype: DTypeLike, decayed: int | None = None) -> None:
        """Start from moments of 0."""
        super().build(size, dtype, decayed)
        self._steps = np.zeros(1, np.int64)
        self._first, self._second = blank(size, dtype), blank(size, dtype)

    def state(self) -> Mapping[str, Array | Counts]:
        """Give the moments, and the number of steps."""
        return {"first": self._first, "second": self._second, "steps": self._steps}

    def _update(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        self._steps[0] += 1
        t = int(self._steps[0])
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**t))  # √v̂ = root · √V
        factor = learning_rate * (1 - self.beta1) / (1 - self.beta1**t) / root
        epsilon = self.epsilon / root
        vectors = (parameters, gradients, self._first, self._second)
        for w, g, first, second, _ in in_blocks(*vectors, scratch=self._scratch):
            first *= self.beta1
            first += g
            second *= self.beta2
            second += np.square(g, out=g)  # the gradient has done its work: what follows has its place
            root_second = np.sqrt(second, out=g)
            root_second += epsilon
            update = np.divide(first, root_second, out=g)
            update *= factor
            w -= update


@dataclass(eq=False)
class Adam(AdamBase):
    """w ← w − η m̂ / (√v̂ + ε), m̂ and v̂ being bias-corrected means of g and g², after adding the L2 term λ w to g.

    Kingma and Ba (https://arxiv.org/abs/1412.6980).
    """

    elementwise: ClassVar[bool] = True

    weight_decay: float = hyperparameter(0.0, minimum=0)

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Update the parameters in place."""
        if self.weight_decay:
            decayed, weights = gradients[: self.decayed], parameters[: self.decayed]
            add_scaled(decayed, weights, self.weight_decay, scratch=self._scratch)
        self._update(parameters, gradients, learning_rate)


@dataclass(eq=False)
class AdamW(AdamBase):
    """Adam with decoupled weight decay: w is first multiplied by 1 − η λ.

    Loshchilov and Hutter (https://arxiv.org/abs/1711.05101).
    """

    elementwise: ClassVar[bool] = True

    weight_decay: float = hyperparameter(0.01, minimum=0)

    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Update the parameters in place."""
        if self.weight_decay:
            weights = parameters[: self.decayed]
            weights *= 1 - learning_rate * self.weight_decay
        self._update(parameters, gradients, learning_rate)
