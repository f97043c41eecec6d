"""How weights start."""

import math
from collections.abc import Mapping

import numpy as np

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.layers.layer import Initializer


def initialise(parameters: Mapping[str, Array], initializer: Initializer, rng: "np.random.Generator") -> None:
    """Draw `weights` (…, inputs, outputs) from a normal distribution of mean 0; let a `bias` start at 0.

    The variance is 2/inputs ("he", https://arxiv.org/abs/1502.01852), 2/(inputs + outputs) ("glorot",
    https://proceedings.mlr.press/v9/glorot10a.html) or 1/inputs ("lecun", "Efficient BackProp", 1998), a convolution's
    inputs and outputs being those of all its kernel's pixels.
    """
    weights = parameters["weights"]
    *kernel, inputs, outputs = weights.shape
    pixels = math.prod(kernel)
    variance = {
        "he": 2 / (pixels * inputs),
        "glorot": 2 / (pixels * (inputs + outputs)),
        "lecun": 1 / (pixels * inputs),
    }[initializer]
    normal(rng, math.sqrt(variance), out=weights)
    if "bias" in parameters:
        parameters["bias"].fill(0)


def normal(rng: "np.random.Generator", deviation: float, *, out: Array) -> Array:
    """Draw `out` from a normal distribution with mean 0 and the given standard deviation.

    Drawn in float64 and rounded, so that float32 and float64 models start from the same weights.
    """
    out[...] = rng.standard_normal(out.shape) * deviation
    return out
