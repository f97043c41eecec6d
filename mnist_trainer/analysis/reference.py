"""The mathematics once more, in plain NumPy: what the losses are held against."""

import numpy as np

from mnist_trainer.kernels.arrays import Array


def softmax(z: Array) -> Array:
    """Return e^z_i / Σ_j e^z_j over the last axis, in plain NumPy."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))
