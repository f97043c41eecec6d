"""Validation or test samples, taken out of the training set class by class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import ConfigError


def apportion(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Share out `total` among the classes, in proportion to their `counts`, by largest remainder.

    0 <= total <= sum(counts); no share exceeds its count; of equal remainders the first wins. (Hamilton's
    method, 1792.)
    """
    shares, remainders = np.divmod(counts * total, int(counts.sum()))
    missing = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return shares


def stratified_split(
    labels: NDArray[np.uint8],
    size: int,
    rng: np.random.Generator,
    classes: int,
    key: str = "data.validation_size",
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose the indices of the training and of exactly `size` held-out samples, each sorted.

    Within every class the samples are drawn at random; `apportion` says how many. labels: (n,), each below
    `classes`. Raises ConfigError, which names `key`, if no training sample would remain.
    """
    if not 0 <= size < len(labels):
        raise ConfigError(
            f"{key}={size}: 0 to {len(labels) - 1:,} of {len(labels):,} samples "
            "can be set aside; at least one is needed for training"
        )
    shares = apportion(np.bincount(labels, minlength=classes).astype(np.int64), size)
    chosen = np.zeros(len(labels), np.bool_)
    for label, share in enumerate(shares):
        chosen[rng.permutation(np.flatnonzero(labels == label))[:share]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
