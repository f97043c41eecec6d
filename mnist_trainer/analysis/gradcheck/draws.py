"""Predictions and targets at random, of the kinds that a loss is asked with."""

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import softmax
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss


def draw_predictions(loss: Loss, n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw logits, or probabilities none of which is near 0, as the loss expects."""
    logits = rng.standard_normal((n, classes))
    return softmax(np.tanh(logits)) if loss.expects == "probabilities" else 2 * logits


def draw_soft(n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw targets (N, C) whose rows sum to 1."""
    soft = rng.random((n, classes)) + 0.1
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))


def draw_unequal(n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw targets (N, C) whose rows sum to anything between 1.5 and 3."""
    return draw_soft(n, classes, rng) * (1.5 + 1.5 * rng.random((n, 1)))


def smoothed(loss: Loss, targets: Array | Indices, classes: int) -> Array:
    """Return the targets as an array (N, C), smoothed as the loss's `label_smoothing` says, if it has one."""
    epsilon = float(getattr(loss, "label_smoothing", 0.0))
    dense = np.eye(classes)[targets] if targets.ndim == 1 else targets
    return np.asarray((1 - epsilon) * dense + epsilon / classes)
