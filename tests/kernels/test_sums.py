import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import sums

ROWS = st.sampled_from([1, 2, 7, sums.MANY_ROWS, sums.MANY_ROWS + 1, 23 * 23 + 5, 4096, 5003])


@given(rows=ROWS, columns=st.integers(1, 7), seed=st.integers(0, 999))
def test_sums_over_the_rows(dtype, assert_close, rows, columns, seed):
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)
    exact, size = x.astype(np.longdouble).sum(0), 1 + abs(x.astype(np.longdouble)).sum(0)
    out = np.full(columns, np.nan, dtype)
    assert sums.sum_rows(x, out=out) is out
    assert_close(out, exact, scale=size)


@given(rows=st.integers(1, 9), columns=st.integers(1, 900), seed=st.integers(0, 999))
def test_averages_of_each_row(dtype, assert_close, rows, columns, seed):
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)
    out = np.full((rows, 1), np.nan, dtype)
    assert sums.row_average(x, out=out) is out
    exact = x.astype(np.longdouble)
    assert_close(out, exact.mean(1, keepdims=True), scale=1 + abs(exact).mean(1, keepdims=True))


@pytest.mark.parametrize("columns", [6, 16, 32])
def test_sums_over_many_rows_lose_few_digits(columns):
    x = np.random.default_rng(0).standard_normal((128 * 14 * 14, columns)).astype(np.float32) ** 2
    found = sums.sum_rows(x, out=np.empty(columns, np.float32))
    np.testing.assert_allclose(found, x.sum(0, dtype=np.float64), rtol=5e-7)  # in one chain up to 1e-5
