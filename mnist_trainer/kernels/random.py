"""Random arrays drawn into given outputs."""

import numpy as np

from mnist_trainer.kernels.arrays import Array, Mask


def normal(rng: np.random.Generator, deviation: float, *, out: Array) -> Array:
    """Draw `out` from a normal distribution with mean 0 and the given standard deviation.

    Drawn in float64 and rounded, so that float32 and float64 models start from the same weights.
    """
    out[...] = rng.standard_normal(out.shape) * deviation
    return out


def keep_mask(rng: np.random.Generator, keep: float, *, scratch: Array, out: Mask) -> Mask:
    """Draw `out` as True with probability `keep`; `scratch` (the same shape, C order) is overwritten."""
    rng.random(out=scratch, dtype=scratch.dtype)
    return np.less(scratch, keep, out=out)
