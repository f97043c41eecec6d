"""What would train silently, and likely shouldn't: sentences on what was seen in a data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.dataset import Dataset

MOST_CHANNELS = 4


def remarks(dataset: Dataset) -> list[str]:
    """Return a sentence for each thing that looks wrong; none for a sound data set."""
    return [*_on_classes(dataset), *_on_images(dataset)]


def _on_classes(dataset: Dataset) -> Iterator[str]:
    trained = np.bincount(dataset.labels, minlength=dataset.classes)[: dataset.classes]
    tested = np.bincount(dataset.test_labels, minlength=dataset.classes)[: dataset.classes]
    without = np.flatnonzero(trained == 0)
    if len(without) == dataset.classes - 1:
        yield f"all {len(dataset.labels):,} training labels are {dataset.class_names[int(dataset.labels[0])]!r}"
    elif without.tolist() == [0] and tested[0] == 0:
        yield (
            f"labels look 1-based: they go from 1 to {dataset.classes - 1}, and class 0 has no sample; the model has "
            f"{dataset.classes} outputs all the same: subtract 1 from each label"
        )
    elif len(without):
        yield f"{_classes(dataset, without)} without a training sample, of {dataset.classes} classes"
    if len(never := np.flatnonzero((trained == 0) & (tested > 0))):
        count = int(tested[never].sum())
        yield f"{_classes(dataset, never)} tested, with {count:,} images, but never trained"


def _on_images(dataset: Dataset) -> Iterator[str]:
    height, width, channels = dataset.image_shape
    if channels > MOST_CHANNELS and height <= MOST_CHANNELS:
        yield (
            f"images of {height} x {width} pixels with {channels} channels look as if their channels came first; "
            "(count, height, width, channels) is wanted: images.transpose(0, 2, 3, 1)"
        )
    elif channels > MOST_CHANNELS:
        yield f"images of {height} x {width} pixels have {channels} channels, more than any picture"
    low, high = int(dataset.images.min()), int(dataset.images.max())
    if low == high:
        yield f"every pixel of every training image is {low}"
    elif high == 1:
        yield "no pixel is above 1, and 255 is white: were they divided by 255, and rounded?"
    if np.array_equal(dataset.images, dataset.test_images):
        yield "the test images are the training images"


def _classes(dataset: Dataset, which: NDArray[np.intp]) -> str:
    names = [dataset.class_names[index] for index in which[:8]]
    more = f" and {len(which) - 8:,} more" if len(which) > 8 else ""
    return (
        ("class " if len(which) == 1 else "classes ") + ", ".join(names) + more + (" is" if len(which) == 1 else " are")
    )
