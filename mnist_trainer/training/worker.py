"""An update of the parameters in its two halves: the gradients of a batch, and the optimizer's step."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from mnist_trainer.kernels import updates
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss, loss_gradient, loss_value
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.optimizer import Optimizer


class Measures(NamedTuple):
    """What a batch's forward pass came to."""

    loss: float  # mean
    correct: int
    clamped_rows: int


class Worker(Protocol):
    """What does the updates, this process alone or a team of several: gradients, their norm, and a step, in turns."""

    def gradients(self, x: Array, labels: Indices) -> Measures:
        """Compute the gradients of a batch's mean loss."""

    def norm(self) -> float:
        """Return the Euclidean norm of these gradients."""

    def step(self, rate: float, scale: float = 1.0) -> None:
        """Let the optimizer update the parameters, by `scale` times the gradients."""

    def collect(self) -> None:
        """Bring all of the optimizer's state into this process."""


@dataclass(eq=False)
class LoneWorker:
    """Does updates in this process."""

    model: Sequential
    loss: Loss
    optimizer: Optimizer

    def gradients(self, x: Array, labels: Indices, weight: float = 1.0) -> Measures:
        """Compute the gradients of `weight` times the mean loss."""
        predictions = self.model.forward(x, training=True)
        loss = loss_value(self.loss, predictions, labels)
        right = count_right(predictions, labels)
        self.model.backward(loss_gradient(self.loss, predictions, weight))
        return Measures(loss, right, self.loss.clamped_rows)

    def norm(self) -> float:
        """Return the Euclidean norm of the gradients."""
        return updates.vector_norm(self.model.parameters.gradients)

    def step(self, rate: float, scale: float = 1.0) -> None:
        """Let the optimizer update the parameters."""
        gradients = self.model.parameters.gradients
        if scale != 1:
            gradients *= scale
        self.optimizer.step(self.model.parameters.values, gradients, rate)

    def collect(self) -> None:
        """Nothing is elsewhere."""


def count_right(predictions: Array, labels: Indices) -> int:
    """Count the rows whose (first) largest prediction is at the label."""
    return int(np.count_nonzero(predictions.argmax(axis=1) == labels))
