import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import activations

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 17)) | st.tuples(*[st.integers(1, 5)] * 3)
SEEDS = st.integers(0, 2**32 - 1)
SLOPES = st.floats(0.01, 0.99)


def values(shape, seed):
    return 3 * np.random.default_rng(seed).standard_normal(shape)


def mask_like(x):
    return np.empty_like(x, np.bool_)


def gelu_inner(x):
    return np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


FORWARD = {
    "relu": (lambda x, out: activations.relu(x, out=out), lambda x: np.where(x > 0, x, 0)),
    "leaky_relu": (
        lambda x, out: activations.leaky_relu(x, 0.2, scratch=np.full_like(x, np.nan), out=out),
        lambda x: np.where(x > 0, x, 0.2 * x),
    ),
    "tanh": (lambda x, out: activations.tanh(x, out=out), lambda x: 1 - 2 / (np.exp(2 * x) + 1)),
    "sigmoid": (lambda x, out: activations.sigmoid(x, out=out), lambda x: 1 / (1 + np.exp(-x))),
}


@pytest.mark.parametrize("name", FORWARD)
@given(shape=SHAPES, seed=SEEDS)
def test_forward_is_its_formula_into_any_buffer_and_into_its_input(name, placed, empty, assert_close, shape, seed):
    kernel, formula = FORWARD[name]
    x, exact = placed(values(shape, seed))
    out = empty(*shape)
    assert kernel(x, out) is out
    assert_close(out, formula(exact))
    np.testing.assert_array_equal(x, exact)
    assert kernel(x, x) is x
    np.testing.assert_array_equal(x, out)


@given(shape=SHAPES, seed=SEEDS)
def test_relu_backward_lets_dy_through_where_the_output_is_positive(placed, shape, seed):
    y, dy = placed(np.maximum(values(shape, seed), 0))[0], placed(values(shape, seed + 1))[0]
    expected = np.where(y > 0, dy, 0)
    assert activations.relu_backward(y, dy, mask=mask_like(y)) is dy
    np.testing.assert_array_equal(dy, expected)


@given(shape=SHAPES, seed=SEEDS, slope=SLOPES)
def test_leaky_relu_backward_scales_dy_where_the_output_is_not_positive(placed, assert_close, shape, seed, slope):
    x = values(shape, seed)
    y, dy = placed(np.where(x > 0, x, slope * x))[0], placed(values(shape, seed + 1))[0]
    expected = np.where(x > 0, 1, slope) * dy.astype(np.float64)
    scratch = np.full_like(dy, np.nan)
    assert activations.leaky_relu_backward(y, dy, slope, mask=mask_like(y), scratch=scratch) is dy
    assert_close(dy, expected)


@given(shape=SHAPES, seed=SEEDS)
def test_tanh_backward_multiplies_by_one_minus_y_squared(placed, assert_close, shape, seed):
    (y, exact), (dy, dy64) = placed(np.tanh(values(shape, seed))), placed(values(shape, seed + 1))
    assert activations.tanh_backward(y, dy, scratch=np.full_like(dy, np.nan)) is dy
    assert_close(dy, dy64 * (1 - exact**2), scale=np.maximum(abs(dy64), 1))


@given(shape=SHAPES, seed=SEEDS)
def test_sigmoid_backward_multiplies_by_y_times_one_minus_y(placed, assert_close, shape, seed):
    (y, exact), (dy, dy64) = placed(1 / (1 + np.exp(-values(shape, seed)))), placed(values(shape, seed + 1))
    assert activations.sigmoid_backward(y, dy, scratch=np.full_like(dy, np.nan)) is dy
    assert_close(dy, dy64 * exact * (1 - exact), scale=np.maximum(abs(dy64), 1))


@given(shape=SHAPES, seed=SEEDS)
def test_gelu_is_its_formula_and_leaves_its_input(placed, empty, assert_close, shape, seed):
    x, exact = placed(values(shape, seed))
    inner, out = empty(*shape), empty(*shape)
    assert activations.gelu(x, inner=inner, out=out) is out
    tanh = gelu_inner(exact)
    assert_close(out, exact / 2 * (1 + tanh), roundings=8)
    assert_close(inner, tanh, roundings=8)
    np.testing.assert_array_equal(x, exact)


@given(shape=SHAPES, seed=SEEDS)
def test_gelu_backward_is_the_product_rule(placed, assert_close, shape, seed):
    (x, exact), (dy, dy64) = placed(values(shape, seed)), placed(values(shape, seed + 1))
    tanh = gelu_inner(exact)
    inner = placed(tanh)[0]
    du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * exact**2)
    derivative = (1 + tanh) / 2 + exact / 2 * (1 - tanh**2) * du
    assert activations.gelu_backward(x, inner, dy, scratch=np.full_like(dy, np.nan)) is dy
    # 1 − tanh u is known to a rounding of 1, which x du/dx (up to 100 here) magnifies
    magnified = np.maximum(abs(dy64) * np.maximum(abs(exact * du), 1), 1)
    assert_close(dy, dy64 * derivative, roundings=8, scale=magnified)


@pytest.mark.parametrize("name", [*FORWARD, "gelu"])
def test_forward_stays_finite_and_silent_at_huge_inputs(name, dtype):
    x = np.array([[-1e4, -100.0, 0.0, 100.0, 1e4]], dtype)
    if name == "gelu":
        y = activations.gelu(x, inner=np.empty_like(x), out=np.empty_like(x))
    else:
        y = FORWARD[name][0](x, np.empty_like(x))
    expected = {
        "relu": [0, 0, 0, 100, 1e4],
        "leaky_relu": [-2e3, -20, 0, 100, 1e4],
        "tanh": [-1, -1, 0, 1, 1],
        "sigmoid": [0, 0, 0.5, 1, 1],
        "gelu": [0, 0, 0, 100, 1e4],
    }[name]
    np.testing.assert_allclose(y[0], expected, rtol=np.finfo(dtype).eps, atol=0)


def test_the_derivative_at_the_kink_is_zero_for_relu_and_the_slope_for_leaky_relu(dtype):
    y, one = np.zeros((1, 1), dtype), np.ones((1, 1), dtype)
    assert activations.relu_backward(y, one.copy(), mask=mask_like(y)) == 0
    leaky = activations.leaky_relu_backward(y, one.copy(), 0.25, mask=mask_like(y), scratch=np.empty_like(y))
    assert leaky == 0.25
