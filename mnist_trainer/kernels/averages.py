"""Moving averages of flat vectors, in blocks that stay in cache."""

from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.updates import in_blocks


def move_average(average: Array, values: Array, weight: float, *, scratch: Array) -> Array:
    """Set average ← average + weight · (values − average) in place; vectors (P,), `scratch` (B,) sets the block."""
    for mean, new, difference in in_blocks(average, values, scratch=scratch):
        difference[...] = new
        difference -= mean
        difference *= weight
        mean += difference
    return average
