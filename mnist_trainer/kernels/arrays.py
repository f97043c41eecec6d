"""The array types that the rooms speak of, arrays that their owner makes later, and constant ones."""

import dataclasses
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Mask: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.intp]
Counts: TypeAlias = NDArray[np.int64]
Shape: TypeAlias = tuple[int, ...]


CONSTANTS = 64  # of each kind that are kept


def probability_floor(dtype: DTypeLike) -> float:
    """Tell the smallest probability that the separate mode works with: 1e-30 in float32, 1e-300 in float64.

    Small, with room for u/(N·p), so that p · (1/p) is still 1 at a class whose true probability underflows.
    """
    return 1e-30 if dtype == np.float32 else 1e-300


def buffer() -> Any:
    """Declare an array that its owner makes later: state of a layer, loss or optimizer, not a hyperparameter."""
    return dataclasses.field(default=None, init=False, repr=False)


@lru_cache(CONSTANTS)
def ones(shape: int | Shape, dtype: DTypeLike) -> Array:
    """Return an array of ones, which is nobody's: to be read only."""
    return _constant(np.ones(shape, dtype))


@lru_cache(CONSTANTS)
def zeros(shape: int | Shape, dtype: DTypeLike) -> Array:
    """Return an array of zeros, which is nobody's: to be read only. It takes no memory where the system is lazy."""
    return _constant(np.zeros(shape, dtype))


def _constant(array: Array) -> Array:
    array.flags.writeable = False
    return array
