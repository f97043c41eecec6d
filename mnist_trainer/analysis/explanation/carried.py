"""What the page carries of the data and the network: images, their labels, and weights, or else the images' logits."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.analysis.explanation.subject import Taught
from mnist_trainer.kernels.arrays import Array
from mnist_trainer.kernels.pixels import scale_pixels
from mnist_trainer.layer_list import entry_of
from mnist_trainer.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Flatten, Reshape
from mnist_trainer.runs.learned import preparation_for
from mnist_trainer.words import counted_in_words

MOST_WEIGHTS = 8_000_000  # bytes of text that weights may take
MOST_IMAGES, MOST_PIXELS = 160, 256_000
WITHOUT_NUMBERS = (Flatten, Reshape, Dropout)  # which leave a vector as it is
ACTIVATIONS = (ReLU, LeakyReLU, Tanh, Sigmoid, GELU)


@dataclass(frozen=True)
class Carried:
    """What the page's scripts read, in plain values, and a sentence on it."""

    data: dict[str, Any]
    said: str


def carried_by_page(taught: Taught, subject: int) -> Carried:
    """Choose test images, the subject's among them, and carry the network if a browser can compute it."""
    dataset, model = taught.dataset, taught.model
    chosen = images_to_carry(len(dataset.test_labels), int(np.prod(dataset.image_shape)), subject)
    logits = logits_of(taught, dataset.test_images[chosen])
    why_not = why_no_network(model.stack.layers, model.arrays)
    images = f"{len(chosen):,} of the {counted_in_words(len(dataset.test_labels), 'test image')}"
    if why_not is None:
        said = f"This page carries the network's {counted_in_words(model.parameters.size, 'parameter')} and {images}."
    else:
        said = f"This page carries {images}, with their logits, but not the network: {why_not}."
    data = {
        "name": dataset.name,
        "classes": list(dataset.class_names),
        "shape": list(dataset.image_shape),
        "preparation": preparation_for(dataset.name),
        "scale": taught.scaling.scale,
        "shift": taught.scaling.shift,
        "first": chosen.index(subject),
        "images": [
            {"index": index, "label": int(dataset.test_labels[index]), "predicted": int(row.argmax())}
            for index, row in zip(chosen, logits, strict=True)
        ],
        "pixels": as_base64(dataset.test_images[chosen]),
        "layers": None if why_not else network_entries(model.stack.layers, model.arrays),
        "logits": as_base64(logits.astype("<f8")) if why_not else None,
        "why_not": None if why_not is None else f"One can't draw here: {why_not}.",
    }
    return Carried(data, said)


def images_to_carry(count: int, size: int, subject: int) -> list[int]:
    """Return the first images' places in the test set, as many as the page may have, and the subject's."""
    first = range(min(count, MOST_IMAGES, max(1, MOST_PIXELS // size)))
    return sorted({*first, subject})


def logits_of(taught: Taught, images: NDArray[np.uint8]) -> Array:
    """Return what the network says of images (N, C)."""
    model, found = taught.model, []
    for start in range(0, len(images), model.max_batch):
        pixels = images[start : start + model.max_batch]
        inputs: Array = np.empty(pixels.shape, model.dtype)
        scale_pixels(pixels, taught.scaling.scale, taught.scaling.shift, out=inputs)
        found.append(model.forward(inputs, training=False).copy())
    return np.concatenate(found)


def why_no_network(layers: Sequence[Layer], arrays: dict[str, Array]) -> str | None:
    """Say why a browser gets the images' logits only, or None if it gets the network."""
    for layer in layers:
        if type(layer) not in (Linear, *WITHOUT_NUMBERS, *ACTIVATIONS):
            return f"its layer {type(layer).__name__} is none that the page computes: those of fully connected stacks"
    size = sum(4 * -(-4 * array.size // 3) for array in arrays.values())  # of float32 as base64
    if size > MOST_WEIGHTS:
        return f"its weights would take {size / 1e6:.1f} MB, more than the {MOST_WEIGHTS / 1e6:.0f} MB that fit"
    return None


def network_entries(layers: Sequence[Layer], arrays: dict[str, Array]) -> list[dict[str, Any]]:
    """Return the layers as the page's scripts compute them."""
    entries: list[dict[str, Any]] = []
    for index, layer in enumerate(layers):
        if isinstance(layer, Linear):
            bias = arrays.get(f"{index}.bias")
            weights = as_base64(arrays[f"{index}.weights"].astype("<f4"))
            packed = None if bias is None else as_base64(bias.astype("<f4"))
            entries.append({"kind": "linear", "units": layer.units, "weights": weights, "bias": packed})
        elif isinstance(layer, ACTIVATIONS):
            entries.append(entry_of(layer))
    return entries


def as_base64(array: NDArray[Any]) -> str:
    """Return an array's bytes, row by row, as text."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
