"""What MLflow's `pyfunc` loads and asks, where neither this project nor Hydra is installed."""

from pathlib import Path
from typing import Any

import numpy as np

from mnist_trainer.files import MODEL
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.loading import load
from mnist_trainer.kernels.arrays import Array


class ServedModel:
    """A model as MLflow wants it: `predict` gives the classes' probabilities."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Array:
        """Return probabilities (N, C) of images, bytes (N, height, width); MLflow has made them so by the signature."""
        del params
        return self.classifier.probabilities(np.asarray(model_input)).astype(np.float32)


def _load_pyfunc(data_path: str) -> ServedModel:
    """Load the model in a folder; MLflow calls this."""
    return ServedModel(load(Path(data_path, MODEL)))
