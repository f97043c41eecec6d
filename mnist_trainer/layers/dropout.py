"""Dropout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import hyperparameter
from mnist_trainer.kernels import elementwise
from mnist_trainer.kernels.arrays import Array, Mask, Shape, buffer, empty
from mnist_trainer.layers.layer import Layer

MASKS = "masks"
"""The name of the masks' generator."""


@dataclass(eq=False)
class Dropout(Layer):
    """In training y = x · m / (1 − rate), m being 0 with probability `rate` and 1 otherwise; else y = x.

    Inverted dropout (https://jmlr.org/papers/v15/srivastava14a.html), with a random stream of its own, so that it
    leaves the other layers' initial weights and the order of the batches as they are.
    """

    rate: float = hyperparameter(0.5, minimum=0, below=1)

    samplewise: ClassVar[bool] = True
    reads_output: ClassVar[bool] = False
    keeps_storage: ClassVar[bool] = True

    _masks: bool = field(default=False, init=False, repr=False)  # whether the last forward was in training
    _rng: "np.random.Generator" = field(default_factory=lambda: np.random.default_rng(), init=False, repr=False)
    _random: Array = buffer()
    _output: Array = buffer()
    _mask: Mask = buffer()
    _kept: Mask = buffer()  # the rows of the mask that are this part's

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers."""
        shape = (max_batch, *in_shape)
        self._random = empty(shape, dtype)
        self._output = empty(shape, dtype)
        self._mask = empty(shape, np.bool_)
        return in_shape

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: "np.random.Generator") -> None:
        """Spawn the layer's own random stream; spawning leaves `rng` as it is."""
        (self._rng,) = rng.spawn(1)

    def generators(self) -> Mapping[str, "np.random.Generator"]:
        """Give the masks' generator, if there are masks."""
        return {MASKS: self._rng} if self.rate > 0 else {}

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return x · m / (1 − rate) in training, x itself otherwise.

        Of a part of a batch, the masks of all rows are drawn, as one process would.
        """
        self._masks = training and self.rate > 0
        if not self._masks:
            return x
        n, before = len(x), self.part.before
        rows = slice(self.part.total or n)
        dropout_mask(self._rng, 1 - self.rate, scratch=self._random[rows], out=self._mask[rows])
        self._kept = self._mask[before : before + n]
        return elementwise.masked(x, self._kept, 1 / (1 - self.rate), out=self._output[:n])

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dy · m / (1 − rate) after a forward in training, dy itself otherwise."""
        if not self._masks:
            return dy
        return elementwise.masked(dy, self._kept, 1 / (1 - self.rate), out=dy)


def dropout_mask(rng: "np.random.Generator", keep: float, *, scratch: Array, out: Mask) -> Mask:
    """Draw `out` as True with probability `keep`; `scratch` (the same shape, C order) is overwritten."""
    rng.random(out=scratch, dtype=scratch.dtype)
    return np.less(scratch, keep, out=out)
