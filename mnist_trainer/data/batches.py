"""Minibatches, gathered as bytes and converted into buffers that are allocated once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mnist_trainer.data.augmentation import Augmenter
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import empty
from mnist_trainer.kernels.pixels import gather, scale_pixels

Inputs = NDArray[Any]
Targets = NDArray[np.intp]


class Batches:
    """Minibatches (inputs, targets) of images[indices]: (batch, h, w, c) of `dtype`, and (batch,) indices.

    Every iteration goes once over the samples: in order, or, with `rng`, in a new order that depends on the
    generator's state alone (so that restoring that state restores the order). The last batch may be shorter,
    unless `drop_last`. With an `augmenter`, the images are changed on their way, anew each time. Both arrays are
    views of buffers owned here, valid until the next batch; no batch allocates any.

    images: (n, h, w, c) bytes; labels: (n,). Raises ConfigError for a batch size below 1, or one that leaves
    no batch.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        indices: NDArray[np.intp],
        batch_size: int,
        dtype: DTypeLike,
        *,
        scaling: Scaling,
        rng: np.random.Generator | None = None,
        drop_last: bool = False,
        augmenter: Augmenter | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}: at least 1 is needed")
        if drop_last and len(indices) < batch_size:
            raise ConfigError(
                f"batch_size={batch_size}: there are only {len(indices):,} samples, and without the last, "
                f"shorter batch none is left; at most {len(indices):,} fits"
            )
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(images) == len(labels):
            raise IndexError(f"indices {indices.min()}..{indices.max()}: {len(images)} images, {len(labels)} labels")
        capacity = min(batch_size, len(indices))
        self._images = images
        self._labels = labels.astype(np.intp)
        self._indices = np.array(indices, np.intp)
        self._order = self._indices.copy()
        self.batch_size = batch_size
        self.scaling = scaling
        self.augmenter = augmenter
        self._rng = rng
        self._drop_last = drop_last
        self._pixels = empty((capacity, *images.shape[1:]), np.uint8)
        self._inputs = empty(self._pixels.shape, dtype)
        self._targets = empty(capacity, np.intp)

    def __len__(self) -> int:
        """Return the number of batches in an iteration."""
        full, rest = divmod(len(self._indices), self.batch_size)
        return full + (rest > 0 and not self._drop_last)

    @property
    def samples(self) -> int:
        """Number of samples in an iteration."""
        return len(self) * self.batch_size if self._drop_last else len(self._indices)

    @property
    def generator(self) -> np.random.Generator | None:
        """The generator of the orders."""
        return self._rng

    def __iter__(self) -> Iterator[tuple[Inputs, Targets]]:
        """Go once over the samples."""
        return self.starting_at(0)

    def starting_at(self, batch: int) -> Iterator[tuple[Inputs, Targets]]:
        """Go once over the samples, but leave the first `batch` batches out."""
        self._draw_order()
        for start in range(batch * self.batch_size, self.samples, self.batch_size):
            yield self.gather(self._order[start : start + self.batch_size])

    def _draw_order(self) -> None:
        if self._rng is not None:
            np.copyto(self._order, self._indices)
            self._rng.shuffle(self._order)

    def preview(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the images of the next iteration's first batch, as they are and augmented; nothing is drawn for it."""
        drawing = (self._rng, None if self.augmenter is None else self.augmenter.generator)
        generators = [each for each in drawing if each is not None]
        states = [each.bit_generator.state for each in generators]
        self._draw_order()
        images = self._images[self._order[: self.batch_size]]
        augmented = images.copy()
        if self.augmenter is not None:
            self.augmenter.apply(augmented)
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        return images, augmented

    def gather(self, chosen: NDArray[np.intp]) -> tuple[Inputs, Targets]:
        """Return images[chosen], augmented, if they are to be, and their labels, at most `batch_size` of them."""
        count = len(chosen)
        pixels, inputs, targets = self._pixels[:count], self._inputs[:count], self._targets[:count]
        gather(self._images, chosen, out=pixels)
        gather(self._labels, chosen, out=targets)
        if self.augmenter is not None:
            self.augmenter.apply(pixels)
        scale_pixels(pixels, self.scaling.scale, self.scaling.shift, out=inputs)
        return inputs, targets
