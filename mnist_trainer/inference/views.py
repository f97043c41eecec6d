"""Test-time augmentation: a model's answers to several views of each image, averaged."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.augmentation import affine_coefficients, affine_fields
from mnist_trainer.hyperparameters import check, hyperparameter
from mnist_trainer.inference.classifier import BATCH, Classifier
from mnist_trainer.inference.images import as_class_numbers
from mnist_trainer.inference.scores import Scores, scores_of
from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.resampling import ResamplingRoom, resample

STEPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class Views:
    """An image where it is, and shifted in the four directions; each as it is, and turned to both sides."""

    shift: float = hyperparameter(minimum=0, maximum=1)
    """A share of the image's side."""
    rotation: float = hyperparameter(minimum=0, maximum=180)
    """In degrees."""

    def __post_init__(self) -> None:
        """Check the ranges; raises `ConfigError`."""
        check(self)

    @property
    def maps(self) -> list[tuple[float, float, float]]:
        """How far down and to the right, as shares of the side, and the angle in radians, of each view; none twice."""
        turns = (0.0, -self.rotation, self.rotation)
        every = itertools.product(STEPS, turns)
        maps = [(self.shift * down, self.shift * right, math.radians(turn)) for (down, right), turn in every]
        return list(dict.fromkeys(maps))

    def scores(self, classifier: Classifier, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Scores:
        """Tell how well a model does by the mean of its probabilities over the views."""
        known = as_class_numbers(labels, len(images), len(classifier.class_names))
        p = self.probabilities(classifier, images).astype(np.float64)
        return scores_of(np.log(np.maximum(p, np.finfo(p.dtype).tiny)), known)

    def probabilities(self, classifier: Classifier, images: NDArray[np.uint8]) -> Array:
        """Return the mean of the probabilities (N, C) over the views of images (N, H, W, C)."""
        height, width, _ = shape = classifier.image_shape
        fields, room = affine_fields(height, width).astype(np.float32), ResamplingRoom.make(shape, BATCH)
        total: Array = np.zeros((len(images), len(classifier.class_names)), classifier.description.dtype)
        seen = np.empty((min(BATCH, len(images)), *shape), np.uint8)
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            for down, right, angle in self.maps:
                how = affine_coefficients(shape, shift=(down * height, right * width), rotation=angle)
                coefficients = np.repeat(how[:, np.newaxis], len(batch), axis=1).astype(np.float32)
                resample(batch, coefficients, fields, room, out=seen[: len(batch)])
                total[start : start + BATCH] += classifier.probabilities(seen[: len(batch)])
        total /= len(self.maps)
        return total
