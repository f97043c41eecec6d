"""Storage that layers share: a stack must compute the same as one in which every layer works on its own copies."""

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

FEATURES = 6
# layers that turn (6,) into (6,), for every kind
SAMPLES = {
    "linear": lambda: [Linear(FEATURES)],
    "conv2d": lambda: [Reshape((3, 2, 1)), Conv2d(1, 3, padding=1), Flatten()],
    "convolution, relu and pooling": lambda: [
        Reshape((3, 2, 1)),
        Conv2d(6, 3, padding=(1, 2)),
        ReLU(),
        MaxPool2d((3, 2)),
        Conv2d(6, (1, 2)),
        ReLU(),
        MaxPool2d(1),
        Flatten(),
    ],
    "max_pool2d": lambda: [Reshape((3, 2, 1)), MaxPool2d(2, 1, 1), Conv2d(1, 2), Flatten()],
    "avg_pool2d": lambda: [Reshape((3, 2, 1)), AvgPool2d((2, 1), 1), Reshape((4,)), Linear(FEATURES)],
    "global_avg_pool": lambda: [Reshape((1, 1, 6)), GlobalAvgPool()],
    "batch_norm": lambda: [BatchNorm()],
    "layer_norm": lambda: [LayerNorm()],
    "relu": lambda: [ReLU()],
    "leaky_relu": lambda: [LeakyReLU(0.2)],
    "tanh": lambda: [Tanh()],
    "sigmoid": lambda: [Sigmoid()],
    "gelu": lambda: [GELU()],
    "softmax": lambda: [Softmax()],
    "dropout": lambda: [Dropout(0.3)],
    "flatten": lambda: [Flatten()],
    "reshape": lambda: [Reshape((3, 2)), Reshape((FEATURES,))],
    "residual": lambda: [Residual([Linear(FEATURES), Tanh()])],
    "residual of identities": lambda: [Residual([Dropout(0), Flatten()])],
    "residual of an activation": lambda: [Residual([ReLU()])],
}
KINDS = tuple(registry.layers)


class Isolated(Layer):
    """A layer that gets a copy of everything and gives copies; it grants nothing to anybody."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.suits = layer, layer.suits
        if isinstance(layer, Residual):
            self.layer = Residual([Isolated(inner) for inner in layer.layers])

    def build(self, in_shape, max_batch, dtype):
        self.layer.overwrites_input, self.layer.followed_by = False, self.followed_by
        return self.layer.build(in_shape, max_batch, dtype)

    def parameter_shapes(self):
        return self.layer.parameter_shapes()

    def decayed(self):
        return self.layer.decayed()

    def state(self):
        return self.layer.state()

    def bind(self, parameters, gradients, rng):
        self.layer.bind(parameters, gradients, rng)

    def forward(self, x, *, training):
        return self.layer.forward(x.copy(), training=training).copy()

    def backward(self, dy, *, need_dx=True):
        return self.layer.backward(dy.copy(), need_dx=True).copy()


def test_every_registered_kind_has_its_sample():
    assert set(KINDS) <= set(SAMPLES)


def assert_shared_equals_isolated(built, kinds):
    shared, isolated = (
        built([wrap(layer) for kind in kinds for layer in SAMPLES[kind]()], (FEATURES,), max_batch=4)
        for wrap in (lambda layer: layer, Isolated)
    )
    np.testing.assert_array_equal(shared.parameters.values, isolated.parameters.values)
    for training in (False, True):
        x = shared.input(3)
        kept, dy = x.copy(), shared.output_gradient(3)
        y = shared.forward(x, training=training).copy()
        np.testing.assert_allclose(y, isolated.forward(x, training=training), rtol=1e-13, atol=0)
        np.testing.assert_array_equal(x, kept)
    dx = shared.backward(dy)
    np.testing.assert_allclose(dx, isolated.backward(dy), rtol=1e-12, atol=1e-14)
    gradients = isolated.parameters.gradients
    np.testing.assert_allclose(shared.parameters.gradients, gradients, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.long
@pytest.mark.parametrize("first", SAMPLES)
def test_every_pair_and_triple_of_kinds_computes_as_on_copies(built, first):
    for second in SAMPLES:
        assert_shared_equals_isolated(built, [first, second])
        for third in SAMPLES:
            assert_shared_equals_isolated(built, [first, second, third])


@pytest.mark.parametrize("view", ["flatten", "reshape", "dropout"])
@pytest.mark.parametrize("owner", ["linear", "tanh", "residual"])
def test_views_of_views_are_no_loophole(built, owner, view):
    for between in ("flatten", "dropout"):
        for last in SAMPLES:
            assert_shared_equals_isolated(built, [owner, view, between, last])


def test_an_activation_works_in_place_where_nobody_else_reads(built):
    linear, relu = Linear(3), ReLU()
    stack = built([linear, relu], (5,))
    y = stack.forward(stack.input(4))
    assert relu.overwrites_input
    assert np.shares_memory(y, linear._y)
    assert relu._output.size == 0  # and needs no storage of its own


def test_what_forward_returns_is_valid_until_the_next_forward(built):
    stack = built([Linear(4), ReLU(), Linear(3), Tanh()], (5,))
    x, dy = stack.input(4), stack.output_gradient(4)
    y = stack.forward(x)
    kept = y.copy()
    stack.backward(dy)
    np.testing.assert_array_equal(y, kept)
