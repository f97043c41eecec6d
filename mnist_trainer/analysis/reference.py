"""The mathematics once more, in plain NumPy and the type of the logits: what the losses are held against."""

from dataclasses import dataclass

import numpy as np

from mnist_trainer.kernels.arrays import Array, Indices


@dataclass(frozen=True, eq=False)
class ReferenceCrossEntropy:
    """The cross-entropy of each row (N,), and its derivatives with respect to logits and targets (N, C)."""

    losses: Array
    logits: Array
    targets: Array


def reference_cross_entropy(z: Array, targets: Array | Indices, label_smoothing: float = 0.0) -> ReferenceCrossEntropy:
    """Compute all by log-sum-exp, with full relative precision at any gap between the logits.

    −log p = lse(z) − z = log1p(Σ_c≠top e^(z_c − max z)) + max z − z, and 1 − p is a sum over the other classes: no 1
    is added to or subtracted from what is much smaller.
    """
    t = dense_targets(z, targets, label_smoothing)
    shifted = z - z.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    top = np.arange(z.shape[1]) == z.argmax(axis=1)[:, np.newaxis]
    others = np.where(top, 0, exponentials)
    rest = others.sum(axis=1, keepdims=True)
    p, not_p = exponentials / (1 + rest), (rest - others + ~top) / (1 + rest)
    surprise = np.log1p(rest) - shifted
    return ReferenceCrossEntropy(
        losses=(t * surprise).sum(axis=1),
        logits=p * (t.sum(axis=1, keepdims=True) - t) - t * not_p,  # p Σt − t
        targets=(1 - label_smoothing) * surprise,
    )


def dense_targets(z: Array, targets: Array | Indices, label_smoothing: float = 0.0) -> Array:
    """Return the targets of logits (N, C) as an array (N, C) in their type, smoothed."""
    classes = z.shape[1]
    t = np.eye(classes, dtype=z.dtype)[targets] if targets.ndim == 1 else targets.astype(z.dtype)
    return np.asarray((1 - label_smoothing) * t + z.dtype.type(label_smoothing) / classes)


def reference_softmax(z: Array) -> Array:
    """Return p = e^z_i / Σ_j e^z_j over the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def reference_softmax_backward(p: Array, dp: Array) -> Array:
    """Return dL/dz = p ⊙ (dL/dp − Σ_c dL/dp_c p_c), over the last axis."""
    return np.asarray(p * (dp - (dp * p).sum(axis=-1, keepdims=True)))
