import numpy as np
import pytest

from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy


class Separate:
    """A softmax layer and the cross-entropy of its probabilities, as one function of the logits."""

    def __init__(self, max_batch, classes, dtype=np.float64, label_smoothing=0.0):
        self.layer, self.loss = Softmax(), CrossEntropy(label_smoothing)
        self.layer.build((classes,), max_batch, dtype)

    def forward(self, z, targets):
        return self.loss.forward(self.layer.forward(z, training=True), targets)

    def backward(self, upstream=1.0):
        return self.layer.backward(self.loss.backward(upstream))

    def targets_gradient(self, upstream=1.0):
        return self.loss.targets_gradient(upstream)

    @property
    def clamped_rows(self):
        return self.loss.clamped_rows


def draw_targets(kind, n, classes):
    """Return class indices, or an array: one-hot, soft with rows that sum to 1, or soft with rows that don't."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, classes, n)
    soft = rng.random((n, classes))
    return {
        "labels": labels,
        "one-hot": np.eye(classes)[labels],
        "soft": soft / soft.sum(axis=1, keepdims=True),
        "not summing to 1": soft,
    }[kind]


@pytest.fixture(scope="session")
def separate():
    return Separate


@pytest.fixture(params=["labels", "one-hot", "soft", "not summing to 1"])
def targets(request):
    return lambda n, classes: draw_targets(request.param, n, classes)


@pytest.fixture
def dense():
    """The targets as an array, smoothed as label smoothing says."""

    def smoothed(targets, classes, smoothing=0.0):
        array = np.eye(classes)[targets] if targets.ndim == 1 else targets
        return (1 - smoothing) * array + smoothing / classes

    return smoothed
