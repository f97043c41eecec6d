"""The array types that the rooms speak of, and what depends on them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Mask: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.intp]
Counts: TypeAlias = NDArray[np.int64]
Shape: TypeAlias = tuple[int, ...]


def probability_floor(dtype: DTypeLike) -> float:
    """Tell the smallest probability that the separate mode works with: 1e-30 in float32, 1e-300 in float64.

    Small, with room for u/(N·p), so that p · (1/p) is still 1 at a class whose true probability underflows.
    """
    return 1e-30 if dtype == np.float32 else 1e-300
