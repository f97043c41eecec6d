"""One table of all kinds of layers: every test that asks for a `case` runs over every registered kind."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.normalization import BatchNorm, LayerNorm
from mnist_trainer.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from mnist_trainer.layers.reshape import Flatten, Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.model import Sequential


@dataclass(frozen=True)
class Case:
    """A layer, an input shape that fits it, and its formula (of x and the parameters by name, outside training)."""

    make: Callable[[], Layer]
    in_shape: tuple[int, ...]
    formula: Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def with_relu(x, p):
    return x + np.maximum(x, 0) @ p["0.1.weights"] + p["0.1.bias"]


def nested(x, p):
    inner = x + np.tanh(x @ p["0.0.0.weights"])
    return x + inner @ p["0.1.weights"] + p["0.1.bias"]


def windows(x, kernel, stride, padding, border=0.0):
    """The windows (N, OH, OW, C, KH, KW) of x."""
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)), constant_values=border)
    return np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (1, 2))[:, ::sh, ::sw]


def convolved(kernel, stride=(1, 1), padding=(0, 0), bias=True):
    def formula(x, p):
        y = np.einsum("nijckl,klcf->nijf", windows(x, kernel, stride, padding), p["0.weights"])
        return y + p["0.bias"] if bias else y

    return formula


def pooled(reduce, kernel, stride, padding=(0, 0), border=0.0):
    return lambda x, p: reduce(windows(x, kernel, stride, padding, border), axis=(4, 5))


def batch_normalised(x, p):  # with the running statistics as they start: mean 0, variance 1
    return x / np.sqrt(1 + 1e-5) * p["0.scale"] + p["0.shift"]


def rows_normalised(x, p):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p["0.scale"] + p["0.shift"]


CASES: dict[str, list[Case]] = {
    "linear": [
        Case(lambda: Linear(4), (5,), lambda x, p: x @ p["0.weights"] + p["0.bias"]),
        Case(lambda: Linear(7, bias=False), (3,), lambda x, p: x @ p["0.weights"]),
    ],
    "conv2d": [
        Case(lambda: Conv2d(3, 3, padding=1), (4, 5, 2), convolved((3, 3), padding=(1, 1))),
        Case(lambda: Conv2d(2, 3, padding=1), (5, 4, 1), convolved((3, 3), padding=(1, 1))),
        Case(
            lambda: Conv2d(2, (2, 3), stride=(2, 1), padding=(0, 2), bias=False),
            (5, 4, 3),
            convolved((2, 3), (2, 1), (0, 2), bias=False),
        ),
        Case(lambda: Conv2d(4, 1, stride=3), (5, 4, 2), convolved((1, 1), (3, 3))),
    ],
    "max_pool2d": [
        Case(lambda: MaxPool2d(2), (4, 6, 3), pooled(np.max, (2, 2), (2, 2))),
        Case(lambda: MaxPool2d(3, 2, 1), (5, 6, 2), pooled(np.max, (3, 3), (2, 2), (1, 1), -np.inf)),
    ],
    "avg_pool2d": [
        Case(lambda: AvgPool2d(2), (5, 4, 3), pooled(np.mean, (2, 2), (2, 2))),
        Case(lambda: AvgPool2d((3, 2), 1, (1, 0)), (5, 4, 2), pooled(np.mean, (3, 2), (1, 1), (1, 0))),
    ],
    "global_avg_pool": [Case(GlobalAvgPool, (3, 4, 2), lambda x, p: x.mean((1, 2)))],
    "batch_norm": [Case(BatchNorm, (6,), batch_normalised), Case(BatchNorm, (3, 2, 4), batch_normalised)],
    "layer_norm": [Case(LayerNorm, (6,), rows_normalised), Case(LayerNorm, (3, 2, 4), rows_normalised)],
    "relu": [Case(ReLU, (2, 3, 1), lambda x, p: np.where(x > 0, x, 0))],
    "leaky_relu": [
        Case(LeakyReLU, (6,), lambda x, p: np.where(x > 0, x, 0.01 * x)),
        Case(lambda: LeakyReLU(0.7), (2, 3), lambda x, p: np.where(x > 0, x, 0.7 * x)),
    ],
    "tanh": [Case(Tanh, (2, 3), lambda x, p: 1 - 2 / (np.exp(2 * x) + 1))],
    "sigmoid": [Case(Sigmoid, (6,), lambda x, p: 1 / (1 + np.exp(-x)))],
    "gelu": [
        Case(GELU, (2, 3), lambda x, p: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    ],
    "softmax": [Case(Softmax, (10,), lambda x, p: softmax(x)), Case(Softmax, (65,), lambda x, p: softmax(x))],
    "dropout": [Case(Dropout, (2, 3), lambda x, p: x), Case(lambda: Dropout(0), (6,), lambda x, p: x)],
    "flatten": [Case(Flatten, (2, 3, 1), lambda x, p: x.reshape(len(x), 6))],
    "reshape": [Case(lambda: Reshape((3, -1)), (2, 3, 1), lambda x, p: x.reshape(len(x), 3, 2))],
    "residual": [
        Case(lambda: Residual([Tanh()]), (2, 3), lambda x, p: x + np.tanh(x)),
        Case(lambda: Residual([ReLU(), Linear(5)]), (5,), with_relu),
        Case(lambda: Residual([Residual([Linear(5, bias=False), Tanh()]), Linear(5)]), (5,), nested),
    ],
}


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = [(kind, case) for kind in registry.layers for case in CASES.get(kind, [None])]
        metafunc.parametrize("case", [case for _, case in cases], ids=[kind for kind, _ in cases])


def generators(layer):
    """All random generators that a layer and the layers inside it hold."""
    found = []
    for value in vars(layer).values():
        if isinstance(value, np.random.Generator):
            found.append(value)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, Layer):
                found += generators(inner)
    return found


class Built:
    """A model of a few layers whose random masks can be held fixed, with its own input away from the kinks at 0."""

    def __init__(self, layers, in_shape, max_batch=8, dtype=np.float64, seed=0):
        self.model = Sequential(layers, in_shape, max_batch, dtype, np.random.default_rng(seed))
        self.parameters = self.model.parameters
        rng = np.random.default_rng(seed + 1)
        for name, view in self.parameters.views.items():
            if name not in self.model.stack.decayed():  # biases start at 0: nothing would show
                view[...] = rng.standard_normal(view.shape)
        self.generators = generators(self.model.stack)
        self.states = [generator.bit_generator.state for generator in self.generators]
        self.dtype = dtype

    def input(self, n, seed=2):
        x = np.random.default_rng(seed).standard_normal((n, *self.model.in_shape))
        return (x + np.copysign(0.05, x)).astype(self.dtype)

    def output_gradient(self, n, seed=3):
        return np.random.default_rng(seed).standard_normal((n, *self.model.out_shape)).astype(self.dtype)

    def forward(self, x, *, training=True):
        for generator, state in zip(self.generators, self.states, strict=True):
            generator.bit_generator.state = state
        return self.model.forward(x, training=training)

    def backward(self, dy, *, need_dx=True):
        self.parameters.gradients.fill(np.nan)  # backward overwrites, it doesn't add
        return self.model.backward(dy.copy(), need_dx=need_dx)


@pytest.fixture(scope="session")
def built():
    return Built


@pytest.fixture(scope="session")
def assert_gradients(assert_is_gradient):
    """Fail unless backward of a built stack agrees with finite differences in its input and in its parameters."""

    def check(stack, n, *, training=True):
        x, dy = stack.input(n), stack.output_gradient(n)

        def value():
            return float(np.sum(dy * stack.forward(x, training=training)))

        value()
        dx = stack.backward(dy)
        gradients = {name: view.copy() for name, view in stack.parameters.gradient_views.items()}
        assert_is_gradient(value, x, dx)
        for name, view in stack.parameters.views.items():
            assert_is_gradient(value, view, gradients[name])

    return check
