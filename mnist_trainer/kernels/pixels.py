"""Pixels: bytes in, floating-point network inputs out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def gather(rows: NDArray[Any], indices: NDArray[np.intp], *, out: NDArray[Any]) -> None:
    """`out[i] = rows[indices[i]]`; rows (n, ...), indices (batch,) in [0, n), out (batch, ...), same dtype.

    Indices are not checked: one out of range is clipped. `mode="raise"` would gather into a buffer of its own
    first, and allocate it for every batch. The method is spared what `np.take` does first: 0.7 against 1.5 us.
    """
    rows.take(indices, 0, out, "clip")


def scale_pixels(pixels: NDArray[np.uint8], scale: float, shift: float, *, out: NDArray[Any]) -> None:
    """`out = pixels * scale + shift`, in out's floating-point dtype; pixels and out have one shape."""
    # Three plain passes: for 128 x 784 float32, 28 us (the gather before it: 19 us). One multiply from bytes
    # to float32 is 1.1 times as slow (it casts through a buffer), cache-sized blocks 1.2 to 2.6 times, a
    # 256-entry lookup table 2.5 times.
    np.copyto(out, pixels)
    np.multiply(out, scale, out=out)
    if shift:
        np.add(out, shift, out=out)
