"""A trained model that answers: from images to classes, probabilities and logits."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnist_trainer import registry
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.inference.images import as_class_numbers, images_as_batch
from mnist_trainer.inference.model_file import Description
from mnist_trainer.inference.scores import Scores, scores_of
from mnist_trainer.kernels.arrays import Array, Indices, Shape, empty
from mnist_trainer.kernels.pixels import scale_pixels
from mnist_trainer.layer_list import build_list
from mnist_trainer.model import Sequential
from mnist_trainer.parameter_files import fill_parameters

BATCH = 256


class Classifier:
    """What a run has learned, ready to answer; several threads may ask it.

    `images` are bytes (uint8), or numbers from 0 to 1; (N, height, width), or one image without the N, and with or
    without an axis of channels, if there is one channel. Raises `DataError` for others.
    """

    def __init__(self, description: Description, arrays: Mapping[str, NDArray[Any]], origin: Path) -> None:
        self.description = description
        self.class_names = tuple(description.class_names)
        self.image_shape = height, width, channels = tuple(description.image_shape)
        layers = layers_of_model_file(description, origin)
        try:
            rng = np.random.default_rng(0)  # its initial values are overwritten
            self._model = Sequential(layers, (height, width, channels), BATCH, description.dtype, rng)
        except ConfigError as error:
            raise DataError(f"{origin}: its layers don't fit: {error}") from error
        if self._model.out_shape != (description.classes,):
            raise DataError(f"{origin}: its layers end in {self._model.out_shape}, for {description.classes} classes")
        fill_parameters(arrays, self._model.arrays, origin)
        self._inputs: Array = empty((BATCH, *self.image_shape), description.dtype)
        self._turn = threading.Lock()  # the layers' buffers are one caller's at a time

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        about = self.description
        accuracy = about.result.get("test_accuracy")
        known = f", test accuracy {accuracy:.2%}" if isinstance(accuracy, float) else ""
        return f"<Classifier {about.name}: {height}x{width}x{channels}, {about.classes} classes{known}>"

    @property
    def arrays(self) -> Mapping[str, Array]:
        """Parameters and state, by name; to be read only."""
        return self._model.arrays

    @property
    def layers(self) -> Sequence[Any]:
        """The layers, as they were built; to be read only."""
        return self._model.stack.layers

    @property
    def shapes(self) -> Sequence[Shape]:
        """What each of the layers gets, and last what comes out, without the batch axis."""
        return [*self._model.stack.shapes, self._model.out_shape]

    def predict(self, images: ArrayLike) -> Indices:
        """Return the classes' numbers (N,)."""
        predicted: Indices = self.logits(images).argmax(axis=1)
        return predicted

    def probabilities(self, images: ArrayLike) -> Array:
        """Return the classes' probabilities (N, C)."""
        return class_probabilities(self.logits(images))

    def logits(self, images: ArrayLike) -> Array:
        """Return what softmax makes probabilities of (N, C)."""
        batch = images_as_batch(images, self.image_shape)
        logits: Array = np.empty((len(batch), self.description.classes), self.description.dtype)
        with self._turn:
            for start in range(0, len(batch), BATCH):
                part = slice(start, start + BATCH)
                logits[part] = self._forward(batch[part])
        if self.description.outputs == "probabilities":
            np.maximum(logits, np.finfo(logits.dtype).tiny, out=logits)
            np.log(logits, out=logits)
        return logits

    @np.errstate(over="ignore", invalid="ignore")
    def _forward(self, pixels: NDArray[Any]) -> Array:
        about, inputs = self.description, self._inputs[: len(pixels)]
        levels = 1 if pixels.dtype == np.uint8 else 255
        scale_pixels(pixels, about.scale * levels, about.shift, out=inputs)
        return self._model.forward(inputs, training=False)

    def evaluate(self, images: ArrayLike, labels: ArrayLike) -> Scores:
        """Tell how well it does on images whose classes' numbers are known."""
        batch = images_as_batch(images, self.image_shape)
        return scores_of(self.logits(batch), as_class_numbers(labels, len(batch), self.description.classes))


def class_probabilities(logits: Array) -> Array:
    """Return e^z_i / Σ_j e^z_j over the last axis."""
    p: Array = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    p /= p.sum(axis=1, keepdims=True)
    return p


def layers_of_model_file(description: Description, origin: Path) -> list[Any]:
    """Make the layers; raises `DataError` that names a plugin that is wanted, or a layer that is none."""
    try:
        if not classifier_layer_kinds(description.layers) <= set(
            registry.layers
        ):  # else they are registered here: by a notebook, say
            registry.import_plugins(description.plugins)
        return build_list(description.layers, "layers")
    except ConfigError as error:
        own = ", ".join(description.plugins)
        where = f" (layers of its own are registered by {own}: import it first, or let it lie on Python's path)"
        raise DataError(f"{origin}: {error}{where if own else ''}") from error


def classifier_layer_kinds(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the kinds of the layers in a list, and of those inside them."""
    found = {str(entry.get("kind")) for entry in entries}
    lists = [entry["layers"] for entry in entries if isinstance(entry.get("layers"), list)]
    return found.union(
        *(classifier_layer_kinds([each for each in inner if isinstance(each, Mapping)]) for inner in lists)
    )
