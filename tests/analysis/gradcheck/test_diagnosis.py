"""Known mistakes are named by their numbers: in anybody's softmax, and in anybody's loss."""

from dataclasses import dataclass

import numpy as np
import pytest

from mnist_trainer.api import Layer, Loss, check_gradients

CLASSES = 6


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def of_row(g, p):
    return (g * p).sum(axis=1, keepdims=True)


SOFTMAX_BACKWARDS = {
    "the off-diagonal terms −p_i p_j are missing": lambda p, g: g * p * (1 - p),
    "p(1 − p): only the Jacobian's diagonal, and dp is not in it": lambda p, g: p * (1 - p),
    "the term −p Σ_c dp_c p_c is missing": lambda p, g: g * p,
    "passes dp through unchanged": lambda p, g: g,
    "the backward of softmax has the wrong sign": lambda p, g: -p * (g - of_row(g, p)),
    "sums over the whole batch": lambda p, g: p * (g - (g * p).sum()),
    "subtracts Σ_c dp_c where Σ_c dp_c p_c belongs": lambda p, g: p * (g - g.sum(axis=1, keepdims=True)),
    "the sum has to be multiplied by p, too": lambda p, g: p * g - of_row(g, p),
    "is 2 times the derivative": lambda p, g: 2 * p * (g - of_row(g, p)),
}


@pytest.mark.parametrize(("words", "backward"), SOFTMAX_BACKWARDS.items(), ids=SOFTMAX_BACKWARDS)
def test_a_users_wrong_softmax_is_named(words, backward):
    @dataclass(eq=False)
    class Own(Layer):
        def forward(self, x, *, training):
            self.p = softmax(x)
            return self.p

        def backward(self, dy, *, need_dx=True):
            return_value = backward(self.p, dy)
            return np.broadcast_to(return_value, dy.shape)

    (fault,) = check_gradients(Own(), in_shape=(CLASSES,)).faults
    assert fault.startswith("Own: ")
    assert words in fault


def test_a_right_softmax_has_no_fault_and_another_function_is_not_called_softmax():
    class Other(Layer):
        def forward(self, x, *, training):
            self.y = 1 / (1 + np.exp(-x))
            return self.y

        def backward(self, dy, *, need_dx=True):
            return dy * self.y

    (fault,) = check_gradients(Other(), in_shape=(CLASSES,)).faults
    assert "softmax" not in fault


class OfProbabilities(Loss):
    expects = "probabilities"

    def forward(self, predictions, targets):
        self.p, self.t = predictions, np.eye(CLASSES)[targets] if targets.ndim == 1 else targets
        return float(-np.sum(self.t * np.log(self.p)) / len(self.p))


class OfLogits(OfProbabilities):
    expects = "logits"

    def forward(self, predictions, targets):
        return super().forward(softmax(predictions), targets)


BACKWARDS = [
    (OfProbabilities, lambda p, t, n: -t / (n * p), None),
    (OfProbabilities, lambda p, t, n: (p - t) / n, "the derivative with respect to the logits, with the softmax in it"),
    (OfProbabilities, lambda p, t, n: -t / p, "is N times too large (N = 9): the gradient of the sum over the batch"),
    (OfProbabilities, lambda p, t, n: -t / (n * n * p), "is N times too small (N = 9): it is divided by N twice"),
    (OfProbabilities, lambda p, t, n: t / (n * p), "has the wrong sign"),
    (OfProbabilities, lambda p, t, n: 0 * p, "is 0 everywhere"),
    (OfProbabilities, lambda p, t, n: np.where(p < 0.1, 0, -t / (n * p)), "is 0 in places where it should not be"),
    (OfLogits, lambda p, t, n: (p * t.sum(axis=1, keepdims=True) - t) / n, None),
    (OfLogits, lambda p, t, n: p - t, "is N times too large (N = 9)"),
    (OfLogits, lambda p, t, n: (t - p) / n, "has the wrong sign"),
    (OfLogits, lambda p, t, n: -t / (n * p), "the derivative of the softmax, which is inside this loss, is missing"),
    (OfLogits, lambda p, t, n: np.where(p < 0.1, 0, (p - t) / n), "is 0 in places where it should not be"),
]


@pytest.mark.parametrize(("base", "formula", "words"), BACKWARDS)
def test_a_users_wrong_loss_is_named(base, formula, words):
    class Own(base):
        def backward(self, upstream=1.0):
            return upstream * formula(self.p, self.t, len(self.p))

    report = check_gradients(Own(), classes=CLASSES, batch_size=9, samples=60)
    if words is None:
        assert report.exact, report
        return
    assert not report.exact
    assert words in "\n".join(report.faults)
    assert all(fault.startswith("loss Own: backward ") for fault in report.faults)
