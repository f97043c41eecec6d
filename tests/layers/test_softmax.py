import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.layers.softmax import Softmax


@pytest.mark.parametrize(("dtype", "floor"), [(np.float32, 1e-30), (np.float64, 1e-300)])
@pytest.mark.parametrize("classes", [10, 65])
def test_probabilities_sum_to_one_and_never_fall_under_the_floor(built, dtype, floor, classes):
    stack = built([Softmax()], (classes,), dtype=dtype)
    z = 1e4 * stack.input(8)
    p = stack.forward(z)
    assert p.min() == dtype(floor)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_class_on_the_floor_still_gets_the_cross_entropy_s_whole_gradient(built, dtype):
    stack = built([Softmax()], (3,), dtype=dtype)
    p = stack.forward(np.array([[-1e4, 0, -1e4]], dtype))
    dz = stack.backward(np.array([[-1, 0, 0]], dtype) / p)
    np.testing.assert_allclose(dz, [[-1, 1, 0]], atol=1e-6)


def test_softmax_by_hand(built):
    stack = built([Softmax()], (3,))
    p = stack.forward(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)
    # Σ dp p = 1: each entry is p (dp − 1)
    dz = stack.backward(np.array([[1.0, 0.0, 1.4]]))
    np.testing.assert_allclose(dz, [[0, -2 / 8, 2 / 8]], atol=1e-15)


def log_softmax(z):
    shifted = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@given(
    shape=st.tuples(st.integers(1, 33), st.integers(1, 70)),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.1, 1.0, 10.0, 1e4]),
    offset=st.sampled_from([0.0, -1e4, 1e4]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_softmax_is_its_formula_at_any_spread_and_offset(shape, seed, spread, offset, dtype):
    z = (spread * np.random.default_rng(seed).standard_normal(shape) + offset).astype(dtype)
    kept, p = z.copy(), Softmax().forward(z, training=True)
    assert p.dtype == dtype
    np.testing.assert_allclose(p, np.exp(log_softmax(z)), rtol=0, atol=8 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(z, kept)


@given(
    shape=st.tuples(st.integers(1, 33), st.integers(1, 12)),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_backward_is_the_jacobian_of_each_row_applied_to_dp(shape, seed, spread):
    rng, layer = np.random.default_rng(seed), Softmax()
    p = layer.forward(spread * rng.standard_normal(shape), training=True)
    dp = rng.standard_normal(shape)
    jacobians = np.einsum("ni,ij->nij", p, np.eye(shape[1])) - np.einsum("ni,nj->nij", p, p)
    np.testing.assert_allclose(layer.backward(dp.copy()), np.einsum("nij,nj->ni", jacobians, dp), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_shifted_by_its_own_maximum_not_by_the_batch_s(dtype):
    p = Softmax().forward(np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype), training=True)
    np.testing.assert_allclose(p, [[1, 0, 0], [1 / 3] * 3], rtol=np.finfo(dtype).eps, atol=2e-30)
