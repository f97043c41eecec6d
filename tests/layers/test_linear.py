import numpy as np
import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.model import Sequential

INPUTS, UNITS = 400, 100  # so that all three variances differ
VARIANCES = {"he": 2 / INPUTS, "glorot": 2 / (INPUTS + UNITS), "lecun": 1 / INPUTS}

FOLLOWED = {
    "nothing": ([], "lecun"),
    "relu": ([ReLU()], "he"),
    "leaky_relu": ([LeakyReLU()], "he"),
    "gelu": ([GELU()], "he"),
    "tanh": ([Tanh()], "glorot"),
    "sigmoid": ([Sigmoid()], "glorot"),
    "softmax": ([Softmax()], "lecun"),
    "linear, then relu": ([Linear(2), ReLU()], "lecun"),
    "residual": ([Residual([ReLU()])], "lecun"),
    "dropout and reshape, then relu": ([Dropout(), Reshape((UNITS,)), ReLU(), Tanh()], "he"),
}


def assert_variance(weights, variance):
    count = weights.size
    assert abs(weights.mean()) < 5 * np.sqrt(variance / count)
    assert abs(weights.var() / variance - 1) < 5 * np.sqrt(2 / count)


@pytest.mark.parametrize("name", FOLLOWED)
def test_initial_weights_have_the_variance_that_suits_the_next_activation(built, name):
    after, initializer = FOLLOWED[name]
    stack = built([Linear(UNITS), *after], (INPUTS,))
    assert_variance(stack.parameters.views["0.weights"], VARIANCES[initializer])


@pytest.mark.parametrize("initializer", VARIANCES)
def test_a_chosen_initializer_wins_over_the_activation(built, initializer):
    for activation in (ReLU, Tanh, Softmax):
        stack = built([Linear(UNITS, initializer=initializer), activation()], (INPUTS,))
        assert_variance(stack.parameters.views["0.weights"], VARIANCES[initializer])


def test_biases_start_at_zero():
    linear, bias = Linear(3), np.full(3, np.nan)
    linear.build((4,), 2, np.float64)
    linear.bind({"weights": np.empty((4, 3)), "bias": bias}, {}, np.random.default_rng(0))
    assert bias.tolist() == [0, 0, 0]


def test_without_a_bias_there_is_none(built):
    assert built([Linear(3, bias=False)], (4,)).parameters.views.keys() == {"0.weights"}


def test_float32_weights_are_those_of_float64_rounded(built):
    layers = lambda: [Linear(30), ReLU(), Residual([Linear(30), Tanh()]), Linear(10)]  # noqa: E731
    single, double = (built(layers(), (50,), dtype=dtype).parameters for dtype in (np.float32, np.float64))
    assert single.values.dtype == np.float32
    np.testing.assert_array_equal(single.values[: single.decayed], double.values[: double.decayed].astype(np.float32))


@pytest.mark.parametrize("units", [0, -3])
def test_units_out_of_range_are_refused(units):
    with pytest.raises(ConfigError, match=f"units={units} is out of range: must be at least 1"):
        Linear(units)


def test_an_unknown_initializer_is_refused_where_the_layer_is_made():
    with pytest.raises(ConfigError, match=r"initializer='hee' .*'he'"):
        Linear(3, initializer="hee")


@pytest.mark.parametrize("inputs", [512, 600])
@pytest.mark.parametrize("n", [1, 33, 64, 65])
def test_a_wide_layers_gradients_are_the_contractions_for_few_rows_and_many(inputs, n):
    rng = np.random.default_rng(n)
    model = Sequential([Linear(512)], (inputs,), 100, np.float64, rng)
    x, dy = rng.standard_normal((n, inputs)), rng.standard_normal((n, 512))
    model.forward(x, training=True)
    dx = model.backward(dy, need_dx=True)
    np.testing.assert_allclose(dx, np.einsum("no,io->ni", dy, model.parameters.views["0.weights"]), atol=1e-12)
    np.testing.assert_allclose(model.parameters.gradient_views["0.weights"], np.einsum("ni,no->io", x, dy), atol=1e-12)
