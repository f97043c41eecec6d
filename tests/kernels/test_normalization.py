import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import normalization
from mnist_trainer.layers.layer import as_it_is

SIZES = st.tuples(st.integers(2, 40), st.integers(1, 6))
SEEDS = st.integers(0, 2**32 - 1)


def statistics(x):
    channels = x.shape[1]
    mean, variance = np.empty((2, channels), x.dtype)
    centred = np.empty_like(x)
    normalization.batch_statistics(
        x, len(x), as_it_is, scratch=np.empty_like(x), centred=centred, mean=mean, variance=variance
    )
    return centred, mean, variance


@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (1e4, 1), (-3e5, 1), (1e-3, 1e-6)])
def test_statistics_hold_where_the_mean_is_large_against_the_deviation(dtype, offset, spread):
    x = (offset + spread * np.random.default_rng(0).standard_normal((25_088, 3))).astype(dtype)
    centred, mean, variance = statistics(x)
    exact = x.astype(np.longdouble)
    epsilon = np.finfo(dtype).eps
    np.testing.assert_allclose(mean, exact.mean(0), rtol=4 * epsilon, atol=4 * epsilon * spread)
    np.testing.assert_allclose(
        variance, exact.var(0), rtol=(8 if offset == 0 else 1e3) * epsilon
    )  # E x² − (E x)² is off by the whole of it
    np.testing.assert_allclose(centred, exact - exact.mean(0), atol=4 * epsilon * max(abs(offset), 5 * spread))


@pytest.mark.parametrize("value", [0.7, -1e-3, 12345.678])
def test_values_that_are_all_the_same_leave_zeros(dtype, value):
    x = np.full((128, 784), value, dtype)
    row, inverse = np.empty((2, 128, 1), dtype)
    normalization.normalise_rows(x, 1e-5, row=row, inverse=inverse, scratch=np.empty_like(x), out=x)
    assert not x.any()
    centred, _, variance = statistics(np.full((25_087, 4), value, dtype))
    assert not centred.any()
    assert not variance.any()


@given(sizes=SIZES, seed=SEEDS)
def test_batch_norm_s_gradients_are_the_jacobian_s_products(sizes, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, *sizes))
    (rows, channels), epsilon = sizes, 1e-3
    gain = rng.standard_normal(channels)
    centred, _, variance = statistics(x)
    inverse = normalization.inverse_deviation(variance, epsilon, out=np.empty(channels))
    d_scale, d_shift = np.full((2, channels), np.nan)
    normalization.batch_norm_gradients(centred, inverse, dy, scratch=np.empty(sizes), d_scale=d_scale, d_shift=d_shift)
    normalised = (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon)
    np.testing.assert_allclose(d_scale, (dy * normalised).sum(0), atol=1e-12)
    np.testing.assert_allclose(d_shift, dy.sum(0), atol=1e-12)
    expected = np.empty(sizes)
    for c in range(channels):  # d x̂_i / d x_j = (δ_ij − 1/M − x̂_i x̂_j / M) / √(variance + ε)
        column = normalised[:, [c]]
        jacobian = (np.eye(rows) - 1 / rows - column @ column.T / rows) * inverse[c]
        expected[:, c] = jacobian.T @ dy[:, c] * gain[c] / inverse[c]
    dx = normalization.batch_norm_input_gradient(centred, inverse, gain, dy.copy(), d_scale, d_shift, rows)
    np.testing.assert_allclose(dx, expected, atol=1e-11)


@given(sizes=SIZES, seed=SEEDS)
def test_rows_are_normalised_on_their_own(dtype, assert_close, sizes, seed):
    x = (3 + np.random.default_rng(seed).standard_normal(sizes)).astype(dtype)
    row, inverse = np.empty((2, len(x), 1), dtype)
    out = np.full_like(x, np.nan)
    normalization.normalise_rows(x, 0.1, row=row, inverse=inverse, scratch=np.empty_like(x), out=out)
    exact = x.astype(np.float64)
    root = np.sqrt(exact.var(1, keepdims=True) + 0.1)
    assert_close(out, (exact - exact.mean(1, keepdims=True)) / root, scale=10.0, roundings=8)
    assert_close(inverse, 1 / root, roundings=40)


@pytest.mark.parametrize("factor", [1.0, 1.25])
def test_the_running_value_moves_by_the_momentum(factor):
    running, new = np.array([1.0, 2.0]), np.array([3.0, 0.0])
    normalization.move_towards(running, new, 0.1, factor=factor, scratch=np.empty(2))
    np.testing.assert_allclose(running, [0.9 + 0.3 * factor, 1.8], rtol=1e-15)
