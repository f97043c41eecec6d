"""A loss mode as one function of the logits: the layers that it puts behind the model, and its loss."""

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer import registry
from mnist_trainer.build import build_loss
from mnist_trainer.config import LossConfig
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import loss_gradient, loss_value
from mnist_trainer.model import Sequential
from mnist_trainer.slips import slips_in_words


class LossMode:
    """L(z) of logits z (N, classes) in batches of up to `max_batch`, and dL/dz, whatever nodes the mode makes it of.

    What `backward` and `targets_gradient` return is storage of the nodes, valid until their next call.
    """

    def __init__(self, config: LossConfig, classes: int, max_batch: int, dtype: DTypeLike) -> None:
        self.name = config.name
        self.loss = build_loss(config)
        self.exact = self.loss.exact
        self.tail = Sequential(
            registry.tail_layers(config.name), (classes,), max_batch, dtype, np.random.default_rng(0)
        )
        self._predictions: Array = np.empty((0, classes), dtype)

    def forward(self, logits: Array, targets: Array | Indices) -> float:
        """Return the mean loss; raises `MistakeError` where the nodes can't run."""
        with slips_in_words():
            predictions = self._predictions = self.tail.forward(logits, training=True)
            return loss_value(self.loss, predictions, targets)

    def backward(self, upstream: float = 1.0) -> Array:
        """Return upstream · dL/dz, through all the mode's nodes; raises `MistakeError` where they can't run."""
        with slips_in_words():
            gradient = self.tail.backward(loss_gradient(self.loss, self._predictions, upstream), need_dx=True)
            assert gradient is not None
            return gradient

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return upstream · dL/dt, the targets taken as an array."""
        return self.loss.targets_gradient(upstream)
