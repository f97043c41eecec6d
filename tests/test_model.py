from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from mnist_trainer.kernels import updates
from mnist_trainer.layers.activations import GELU, ReLU, Tanh
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.model import Parameters, Sequential
from mnist_trainer.optimizers.adam import Adam

SHAPES = {"0.weights": (3, 4), "0.bias": (4,), "1.scale": (4,), "2.weights": (4, 2), "2.bias": (2,)}
MODES = {"fused": ([], SoftmaxLoss), "separate": ([Softmax], CrossEntropy)}


@pytest.fixture(params=MODES)
def mode(request):
    tail, loss = MODES[request.param]
    return lambda layers, in_shape, n, dtype: (
        Sequential([*layers, *(cls() for cls in tail)], in_shape, n, dtype, np.random.default_rng(0)),
        loss(),
    )


def layers():
    return [Flatten(), Linear(12), GELU(), Residual([Linear(12, bias=False), Tanh()]), Linear(10)]


def test_weight_decay_reaches_exactly_the_weights():
    model = Sequential(layers(), (4, 3), 2, np.float64, np.random.default_rng(0))
    decayed = [name for name, view in model.parameters.views.items() if np.shares_memory(view, weights(model))]
    assert decayed == ["1.weights", "3.0.weights", "4.weights"]
    assert model.parameters.decayed == 12 * 12 + 12 * 12 + 12 * 10
    assert model.parameters.size == model.parameters.decayed + 12 + 10


def weights(model):
    return model.parameters.values[: model.parameters.decayed]


def test_layers_work_on_the_flat_vectors_themselves():
    model = Sequential(layers(), (4, 3), 2, np.float64, np.random.default_rng(0))
    x = np.ones((2, 4, 3))
    assert np.abs(model.forward(x, training=True)).max() > 0
    model.backward(np.ones((2, 10)))
    assert np.abs(model.parameters.gradients).min() > 0
    model.parameters.values.fill(0)
    assert not model.forward(x, training=False).any()


def test_backward_overwrites_the_gradients_of_the_batch_before():
    model = Sequential(layers(), (4, 3), 2, np.float64, np.random.default_rng(0))
    x, kept = np.random.default_rng(1).standard_normal((2, 4, 3)), []
    for _ in range(2):
        model.forward(x, training=True)
        assert model.backward(np.ones((2, 10))) is None
        kept.append(model.parameters.gradients.copy())
    np.testing.assert_array_equal(*kept)


def test_the_summary_tells_layers_shapes_and_parameters():
    model = Sequential(
        [Flatten(), Linear(100), ReLU(), Linear(10)], (28, 28, 1), 2, np.float32, np.random.default_rng(0)
    )
    lines = [line.split("  ") for line in model.summary().splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert rows == [
        ["input (28, 28, 1)"],
        ["0", "Flatten()", "(784,)"],
        ["1", "Linear(100)", "(100,)", "78,500"],
        ["2", "ReLU()", "(100,)"],
        ["3", "Linear(10)", "(10,)", "1,010"],
        ["total", "79,510"],
    ]


def test_the_summary_has_the_layers_inside_others_below_these_and_fits_a_terminal():
    model = Sequential(
        [
            Conv2d(16, kernel=3, stride=2, padding=1, bias=False),
            Residual([Conv2d(16, kernel=3, padding=1), ReLU(), Residual([Conv2d(16, kernel=1)])]),
            Flatten(),
        ],
        (28, 28, 1),
        2,
        np.float32,
        np.random.default_rng(0),
    )
    lines = model.summary().splitlines()
    assert max(map(len, lines)) <= 80
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert rows == [
        ["input (28, 28, 1)"],
        ["0", "Conv2d(16, 3, stride=2, padding=1, bias=False)", "(14, 14, 16)", "144"],
        ["1", "Residual", "(14, 14, 16)"],
        ["1.0", "Conv2d(16, 3, padding=1)", "(14, 14, 16)", "2,320"],
        ["1.1", "ReLU()", "(14, 14, 16)"],
        ["1.2", "Residual", "(14, 14, 16)"],
        ["1.2.0", "Conv2d(16, 1)", "(14, 14, 16)", "272"],
        ["2", "Flatten()", "(3136,)"],
        ["total", "2,736"],
    ]


@pytest.mark.parametrize("n", [1, 7, 16])
def test_a_whole_model_s_gradient_agrees_with_finite_differences(mode, assert_is_gradient, n):
    model, loss = mode(layers(), (4, 3), 16, np.float64)
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((n, 4, 3)), rng.integers(0, 10, n)

    def value():
        return loss.forward(model.forward(x, training=True), labels)

    value()
    dx = model.backward(loss.backward(), need_dx=True).copy()
    gradient = model.parameters.gradients.copy()
    assert_is_gradient(value, x, dx)
    assert_is_gradient(value, model.parameters.values, gradient)
    for name, view in model.parameters.views.items():
        value()
        model.backward(loss.backward())
        assert_is_gradient(value, view, model.parameters.gradient_views[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_loss_is_near_ln_10_and_twenty_samples_are_overfitted(mode, dtype):
    model, loss = mode([Flatten(), Linear(64), ReLU(), Dropout(0.0), Linear(10)], (6, 6), 20, dtype)
    rng = np.random.default_rng(2)
    x, labels = rng.random((20, 6, 6)).astype(dtype), np.arange(20) % 10
    optimizer = Adam()
    optimizer.build(model.parameters.size, dtype, model.parameters.decayed)
    losses = []
    for _ in range(250):
        losses.append(loss.forward(model.forward(x, training=True), labels))
        model.backward(loss.backward())
        assert np.isfinite(updates.vector_norm(model.parameters.gradients))
        optimizer.step(model.parameters.values, model.parameters.gradients, 0.02)
    assert losses[0] == pytest.approx(np.log(10), abs=0.5)
    assert losses[-1] < 1e-3


def test_both_modes_start_from_the_same_weights_and_take_the_same_step():
    built = {
        name: Sequential([*layers(), *(c() for c in tail)], (4, 3), 5, np.float64, np.random.default_rng(0))
        for name, (tail, _) in MODES.items()
    }
    x, labels = np.random.default_rng(1).standard_normal((5, 4, 3)), np.arange(5)
    np.testing.assert_array_equal(*(model.parameters.values for model in built.values()))
    for name, model in built.items():
        loss = MODES[name][1]()
        loss.forward(model.forward(x, training=True), labels)
        model.backward(loss.backward())
    fused, separate = (model.parameters.gradients for model in built.values())
    assert np.linalg.norm(fused - separate) <= 1e-12 * np.linalg.norm(fused)


@pytest.fixture(params=[np.float32, np.float64])
def parameters(request):
    return Parameters(SHAPES, {"0.weights", "2.weights"}, request.param)


def test_decayed_parameters_come_first_and_each_half_keeps_the_layers_order(parameters):
    for number, name in enumerate(SHAPES):
        parameters.views[name].fill(number)
    assert (parameters.size, parameters.decayed) == (30, 20)
    assert parameters.values.tolist() == [0] * 12 + [3] * 8 + [1] * 4 + [2] * 4 + [4] * 2


def test_views_are_the_flat_vectors_own_storage(parameters):
    assert {name: view.shape for name, view in parameters.views.items()} == SHAPES
    assert {name: view.shape for name, view in parameters.gradient_views.items()} == SHAPES
    parameters.values[...] = np.arange(30)
    parameters.gradients[...] = -np.arange(30)
    for name, view in parameters.views.items():
        assert np.shares_memory(view, parameters.values)
        np.testing.assert_array_equal(parameters.gradient_views[name], -view)
    every = np.concatenate([view.ravel() for view in parameters.views.values()])
    np.testing.assert_array_equal(every, parameters.values)


def test_no_parameters_make_empty_vectors():
    parameters = Parameters({}, set(), np.float32)
    assert (parameters.size, parameters.decayed, parameters.values.size) == (0, 0, 0)


@dataclass(eq=False)
class Counting(Layer):
    """A layer of a user's own with hyperparameters that no `==` compares."""

    size: int
    scales: Any = field(default_factory=lambda: np.ones(2))
    places: list[int] = field(default_factory=list)

    def forward(self, x, *, training):
        return x

    def backward(self, dy, *, need_dx=True):
        return dy


def test_the_summary_writes_whatever_hyperparameters_a_layer_has():
    layers = [Counting(4), Counting(4, places=[1]), Counting(5, np.zeros(2))]
    model = Sequential(layers, (3,), 2, np.float32, np.random.default_rng(0))
    rows = [line.split("  ")[1] for line in model.summary().splitlines()[1:4]]
    assert rows == ["Counting(4)", "Counting(4, places=[1])", "Counting(5, scales=array([0., 0.]))"]
