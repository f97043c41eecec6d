from types import SimpleNamespace

import numpy as np
import pytest

from mnist_trainer.data.augmentation import Augmenter
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Constant
from mnist_trainer.training.streams import random_stream
from mnist_trainer.training.trainer import Trainer

CLASSES = 3
SAMPLES = 40


def tiny_data(samples=SAMPLES, size=4, seed=0):
    """Images whose label is the shade of their first pixels, in noise."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(samples) % CLASSES).astype(np.uint8)
    images = rng.integers(0, 100, (samples, size, size, 1), np.uint8)
    images[:, 0] += labels[:, None, None] * 70
    return images, labels


def batches(images, labels, batch_size, rng=None, dtype=np.float32, augmenter=None):
    every = np.arange(len(images))
    return Batches(images, labels, every, batch_size, dtype, scaling=Scaling.unit(), rng=rng, augmenter=augmenter)


def make(
    *,
    mode="fused",
    seed=0,
    batch_size=8,
    epochs=2,
    hidden=6,
    dropout=0.0,
    dtype=np.float32,
    validate=True,
    before=(),
    augmentation=None,
    **fields,
):
    images, labels = fields.pop("data", None) or tiny_data()
    tail, loss = ([Softmax()], CrossEntropy()) if mode == "separate" else ([], SoftmaxLoss())
    layers = [*before, Flatten(), Linear(hidden), ReLU(), Dropout(dropout), Linear(CLASSES), *tail]
    model = Sequential(layers, images.shape[1:], max(batch_size, 16), dtype, random_stream(seed, "initialization"))
    held = tiny_data(17 if validate else 0, seed=1)
    drawn = random_stream(seed, "augmentation")
    augmenter = augmentation and Augmenter(augmentation, images.shape[1:], batch_size, drawn)
    defaults = {
        "model": model,
        "loss": loss,
        "optimizer": SGD(),
        "schedule": Constant(),
        "learning_rate": 0.1,
        "train": batches(images, labels, batch_size, random_stream(seed, "shuffling"), dtype, augmenter),
        "validation": batches(*held, 16, dtype=dtype),
        "epochs": epochs,
    }
    return Trainer(**{**defaults, **fields})


@pytest.fixture(scope="session")
def tiny():
    return SimpleNamespace(data=tiny_data, batches=batches, trainer=make, samples=SAMPLES, classes=CLASSES)


class Recorder:
    """A callback that keeps what it is told, in order."""

    def __init__(self, events=None, name=""):
        self.events = [] if events is None else events
        self.name = name

    def __getattr__(self, hook):
        if not hook.startswith("on_"):
            raise AttributeError(hook)
        return lambda *arguments: self.events.append((self.name + hook, *arguments))

    def told(self, hook):
        return [event[1] for event in self.events if event[0] == hook]


@pytest.fixture(scope="session")
def recorder():
    return Recorder


class Stub:
    """Hand out one made-up loss a batch: what the trainer makes of losses, without a model that earns them."""

    clamped_rows = 0

    def __init__(self, losses, clamped=()):
        self.losses, self.clamped, self.last = iter(losses), iter(clamped), None

    def forward(self, predictions, targets):
        self.clamped_rows = next(self.clamped, 0)
        self.gradient = np.ones_like(predictions)
        self.last = next(self.losses, self.last)  # a step that is done again has the same
        return self.last

    def backward(self, upstream=1.0):
        return self.gradient


@pytest.fixture
def stub_loss():
    return Stub
