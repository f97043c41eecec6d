"""What a plugin's module imports as `mnist_trainer.api`, in a model that is served: there it lies in that one's place.

The names that register and make layers, without those that train.
"""

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.registry import register_layer, register_loss, register_optimizer

__all__ = ["Layer", "Loss", "Optimizer", "hyperparameter", "register_layer", "register_loss", "register_optimizer"]
