"""Cross-entropy from log-sum-exp and from probabilities, with their gradients, mean over the batch.

Shapes: logits z, probabilities p and dense targets t are (N, C); class indices `labels` and `rows` = 0 … N−1 are (N,);
a row's quantities are (N, 1). `scale` is u/N: the upstream gradient over the batch size. The hard forms take one
class index a row, the soft ones a whole row of targets, which need not sum to 1.
"""

import numpy as np

from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.kernels.softmax import sum_classes


def dense_targets(targets: Array | Indices, smoothing: float, *, rows: Indices, out: Array) -> Array:
    """Write (1 − ε) t + ε/C to `out`, t being one-hot rows when the targets are class indices."""
    classes = out.shape[1]
    if targets.ndim == 1:
        out.fill(smoothing / classes)
        out[rows, targets] += 1 - smoothing
        return out
    np.multiply(targets, 1 - smoothing, out=out)
    return np.add(out, smoothing / classes, out=out) if smoothing else out


def hard_distances(shifted: Array, labels: Indices, *, rows: Indices) -> float:
    """Return Σ_n(max z_n − z_ny): how far the labels' logits lie under the largest; `shifted` is z − max z."""
    return float(-np.add.reduce(shifted[rows, labels]))


def soft_distances(shifted: Array, targets: Array, *, ones: Array, totals: Array, scratch: Array) -> float:
    """Return Σ_n t_n · (max z_n − z_n) and write the rows' Σ_c t_nc to `totals`."""
    sum_classes(targets, ones=ones, out=totals)
    np.multiply(shifted, targets, out=scratch)
    return float(-np.add.reduce(scratch, axis=None))


def hard_logits_gradient(
    exponentials: Array, sums: Array, labels: Indices, scale: float, *, rows: Indices, row: Array, out: Array
) -> Array:
    """Write dL/dz = (p − onehot) · scale to `out`, where p = exponentials / sums."""
    np.divide(scale, sums, out=row)
    np.multiply(exponentials, row, out=out)
    out[rows, labels] -= scale
    return out


def soft_logits_gradient(
    exponentials: Array, sums: Array, targets: Array, totals: Array, scale: float, *, row: Array, out: Array
) -> Array:
    """Write dL/dz = (p · Σ_c t_c − t) · scale to `out`, where p = exponentials / sums."""
    np.divide(totals, sums, out=row)
    np.multiply(exponentials, row, out=out)
    np.subtract(out, targets, out=out)
    return np.multiply(out, scale, out=out)


def targets_gradient_from_shifted(shifted: Array, log_sums: Array, scale: float, *, out: Array) -> Array:
    """Write dL/dt = (lse − z) · scale to `out`."""
    np.subtract(log_sums, shifted, out=out)
    return np.multiply(out, scale, out=out)


def hard_loss_from_probabilities(
    probabilities: Array, labels: Indices, floor: float, *, rows: Indices, out: Array
) -> tuple[float, int]:
    """Return mean_n(−log max(p_ny, floor)) and how many rows lie on the floor; `out` (N,) gets max(p_ny, floor)."""
    true = probabilities[rows, labels]
    clamped = int(np.count_nonzero(true <= floor))
    np.maximum(true, floor, out=out)
    np.log(out, out=true)
    return float(-np.add.reduce(true) / len(labels)), clamped


def hard_probabilities_gradient(true: Array, labels: Indices, scale: float, *, rows: Indices, out: Array) -> Array:
    """Write dL/dp = −onehot / p · scale to `out`; `true` (N,) is p at the true classes."""
    out.fill(0)
    out[rows, labels] = -scale / true
    return out


def soft_loss_from_probabilities(
    probabilities: Array, targets: Array, floor: float, *, scratch: Array, out: Array
) -> tuple[float, int]:
    """Return mean_n(−t_n · log p_n) and how many rows have a target on the floor; `out` gets p raised to the floor."""
    clamped = np.logical_and(probabilities <= floor, targets > 0)
    np.maximum(probabilities, floor, out=out)
    np.log(out, out=scratch)
    np.multiply(scratch, targets, out=scratch)
    loss = float(-np.add.reduce(scratch, axis=None) / len(targets))
    return loss, int(np.count_nonzero(np.logical_or.reduce(clamped, axis=1)))


def soft_probabilities_gradient(probabilities: Array, targets: Array, scale: float, *, out: Array) -> Array:
    """Write dL/dp = −t / p · scale to `out`."""
    np.divide(targets, probabilities, out=out)
    return np.multiply(out, -scale, out=out)


def targets_gradient_from_probabilities(probabilities: Array, floor: float, scale: float, *, out: Array) -> Array:
    """Write dL/dt = −log max(p, floor) · scale to `out`."""
    np.maximum(probabilities, floor, out=out)
    np.log(out, out=out)
    return np.multiply(out, -scale, out=out)


def correct(predictions: Array, labels: Indices, *, out: Indices) -> int:
    """Count the rows whose (first) largest prediction is at the label; `out` gets the argmax."""
    predictions.argmax(1, out)
    return int(np.count_nonzero(out == labels))
