"""A model's answers to images whose classes are known, each by itself."""

import csv
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.inference.classifier import Classifier, class_probabilities
from mnist_trainer.inference.images import as_class_numbers
from mnist_trainer.inference.scores import Scores, scores_of
from mnist_trainer.kernels.arrays import Array, Indices


@dataclass(frozen=True, eq=False)
class Answers:
    """Probabilities (N, C) of images (N, H, W, C) of which the labels (N,) are known, and how good they are."""

    classifier: Classifier
    images: NDArray[np.uint8]
    labels: Indices
    probabilities: Array
    scores: Scores

    @classmethod
    def of(cls, classifier: Classifier, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> "Answers":
        """Ask a model."""
        known = as_class_numbers(labels, len(images), len(classifier.class_names))
        logits = classifier.logits(images)
        return cls(classifier, images, known, class_probabilities(logits), scores_of(logits, known))

    @property
    def predicted(self) -> Indices:
        """What each image is taken for."""
        found: Indices = self.probabilities.argmax(axis=1)
        return found

    @property
    def mistakes(self) -> Indices:
        """The images that are taken for something else, those with the least probability of the truth first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(self.probabilities[wrong, self.labels[wrong]], kind="stable")]

    def as_csv(self) -> str:
        """Write a line an image: its target and prediction, by number and by name, and all probabilities."""
        names = self.classifier.class_names
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        head = ["image", "target", "prediction", "target_name", "prediction_name"]
        lines.writerow([*head, *(f"p({name})" for name in names)])
        for index, (target, prediction) in enumerate(zip(self.labels, self.predicted, strict=True)):
            shares = (f"{share:.6g}" for share in self.probabilities[index])
            lines.writerow([index, target, prediction, names[target], names[prediction], *shares])
        return text.getvalue()
