"""Memory that processes share which are forked from the one that made it."""

import mmap

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array


def shared_zeros(size: int, dtype: DTypeLike) -> Array:
    """Make a vector of zeros in memory that processes forked from this one share; raises `MemoryError`."""
    try:
        memory = mmap.mmap(-1, max(1, size * np.dtype(dtype).itemsize))  # anonymous; freed with the last array on it
    except OSError as error:
        raise MemoryError(f"{size:,} numbers of {np.dtype(dtype)}: {error.strerror}") from error
    return np.frombuffer(memory, dtype, size)
