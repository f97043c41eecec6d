"""What all contenders train and answer with: networks, MNIST, weights, orders of the images, learning rates."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from mnist_trainer.data.loading import load

MODELS = Path(__file__).parents[3] / "conf" / "model"
CLASSES = 10
RATE = {"sgd": 0.05, "adam": 0.001}
MOMENTUM = 0.9
FITTED_IMAGES = 1024
FITTED_STEPS = 8000


@dataclass(frozen=True)
class Network:
    """A network, by its layers' sizes or by its name in conf/model."""

    network: str

    @property
    def hidden(self) -> list[int] | None:
        """The sizes of a multilayer perceptron's hidden layers."""
        return [int(units) for units in self.network.split("-")[1:-1]] if self.network[0].isdigit() else None

    @property
    def layers(self) -> list[dict]:
        """The layers as the configuration writes them."""
        if self.hidden is None:
            return yaml.safe_load((MODELS / f"{self.network}.yaml").read_text())["layers"]
        hidden = [entry for units in self.hidden for entry in ({"kind": "linear", "units": units}, {"kind": "relu"})]
        return [{"kind": "flatten"}, *hidden, {"kind": "linear", "units": CLASSES}]

    def weights(self) -> list[np.ndarray]:
        """Draw the layers' weights."""
        return drawn_weights(self.layers, seed=0)


def drawn_weights(layers: list[dict], seed: int) -> list[np.ndarray]:
    """Draw weights: (KH, KW, C, F) of convolutions, (inputs, units) of linear layers; biases are 0."""
    rng, shape, drawn = np.random.default_rng(seed), (28, 28, 1), []
    for entry in layers:
        match entry:
            case {"kind": "conv2d", "filters": int(filters), "kernel": int(kernel)}:
                of_weights = (kernel, kernel, shape[-1], filters)
                size = shape[0] + 2 * entry.get("padding", 0) - kernel + 1
                shape = (size, size, filters)
            case {"kind": "max_pool2d" | "avg_pool2d", "kernel": int(kernel)}:
                shape = (shape[0] // kernel, shape[1] // kernel, shape[2])
                continue
            case {"kind": "linear", "units": int(units)}:
                of_weights, shape = (math.prod(shape), units), (units,)
            case _:
                continue
        deviation = math.sqrt(2 / math.prod(of_weights[:-1]))
        drawn.append((deviation * rng.standard_normal(of_weights)).astype(np.float32))
    return drawn


@dataclass(frozen=True)
class Training(Network):
    """A network, batch size and optimizer; at the beginning, or `fitted`, after its loss on some images went to 0."""

    batch: int
    optimizer: str
    fitted: bool = False

    @property
    def rate(self) -> float:
        """The learning rate."""
        return RATE[self.optimizer]

    def images_and_labels(self) -> tuple[np.ndarray, np.ndarray]:
        """MNIST's training images as bytes (N, 28, 28, 1), and labels; a part of them, where these are to be fitted."""
        images, labels = mnist()
        return (images[:FITTED_IMAGES], labels[:FITTED_IMAGES]) if self.fitted else (images, labels)

    def orders(self) -> Iterator[np.ndarray]:
        """Yield which images are in each batch, an epoch after the other, the same for every contender."""
        rng, count = np.random.default_rng(0), len(self.images_and_labels()[1])
        while True:
            order = rng.permutation(count)
            for start in range(0, count - self.batch + 1, self.batch):
                yield order[start : start + self.batch]

    def __str__(self) -> str:
        return f"{self.network} {self.batch} {self.optimizer}"


@dataclass(frozen=True)
class Answering(Network):
    """A network, and how many images it is given at a time."""

    count: int

    def images(self) -> np.ndarray:
        """The images as bytes (count, 28, 28, 1)."""
        return np.ascontiguousarray(mnist()[0][: self.count])

    def __str__(self) -> str:
        return f"{self.network} {self.count}"


@dataclass(frozen=True)
class Contender:
    """What does a number of steps, or answers a number of times, and what brings it back to its beginning."""

    run: Callable[[int], object]
    restart: Callable[[], object] = lambda: None


TRAINING = (
    *(Training("784-512-512-10", 128, optimizer) for optimizer in RATE),
    *(Training("784-128-64-10", batch, optimizer) for batch in (128, 32) for optimizer in RATE),
    Training("lenet5", 128, "adam"),
    Training("cnn", 128, "adam"),
)
FITTED = tuple(Training("784-128-64-10", 32, optimizer, fitted=True) for optimizer in RATE)
ANSWERING = tuple(Answering(network, count) for network in ("784-128-64-10", "lenet5", "cnn") for count in (1, 1000))


@functools.cache
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """MNIST's 60,000 training images as bytes, and their labels: of MNIST_ROOT, or the cache, or downloaded."""
    dataset = load("mnist", progress=False)
    return dataset.images, dataset.labels
