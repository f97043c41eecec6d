import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import pooling
from mnist_trainer.kernels.windows import positions

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
SIZES = st.tuples(st.integers(1, 3), st.integers(3, 7), st.integers(3, 7), st.integers(1, 3))
SEEDS = st.integers(0, 2**32 - 1)


def each_window(x, kernel, stride):
    """Every output's index, and the slices of its window."""
    down, across = positions(x.shape[1:3], kernel, stride, (0, 0))
    for n, i, j, c in np.ndindex(len(x), down, across, x.shape[3]):
        rows = slice(i * stride[0], i * stride[0] + kernel[0])
        columns = slice(j * stride[1], j * stride[1] + kernel[1])
        yield (n, i, j, c), (n, rows, columns, c)


def output_shape(x, kernel, stride):
    return (len(x), *positions(x.shape[1:3], kernel, stride, (0, 0)), x.shape[3])


@given(sizes=SIZES, kernel=PAIRS, stride=PAIRS, seed=SEEDS)
def test_max_pooling_sends_the_gradient_to_the_first_maximum(dtype, sizes, kernel, stride, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, sizes).astype(dtype)  # three values: ties everywhere
    shape = output_shape(x, kernel, stride)
    dy = rng.integers(-5, 6, shape).astype(dtype)
    y, dx = np.zeros(shape), np.zeros(sizes)
    for index, window in each_window(x, kernel, stride):
        y[index] = x[window].max()
        first = np.unravel_index(x[window].argmax(), x[window].shape)
        dx[window][first] += dy[index]
    out, gradient = np.full(shape, np.nan, dtype), np.full(sizes, np.nan, dtype)
    assert pooling.max_pool(x, kernel, stride, out=out) is out
    np.testing.assert_array_equal(out, y)
    mask, scratch = np.empty(shape, np.bool_), np.empty(shape, dtype)
    pooling.max_pool_backward(x, out, dy, kernel, stride, mask=mask, scratch=scratch, out=gradient)
    np.testing.assert_array_equal(gradient, dx)


@given(sizes=SIZES, kernel=PAIRS, stride=PAIRS, seed=SEEDS)
def test_average_pooling_shares_the_gradient(dtype, assert_close, sizes, kernel, stride, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(sizes).astype(dtype)
    shape, area = output_shape(x, kernel, stride), kernel[0] * kernel[1]
    dy = rng.standard_normal(shape).astype(dtype)
    y, dx, size = np.zeros(shape), np.zeros(sizes), np.ones(sizes)
    for index, window in each_window(x, kernel, stride):
        y[index] = x[window].astype(np.float64).mean()
        dx[window] += dy[index] / area
        size[window] += abs(dy[index])
    out, gradient = np.full(shape, np.nan, dtype), np.full(sizes, np.nan, dtype)
    assert_close(pooling.average_pool(x, kernel, stride, out=out), y, scale=4.0, roundings=8)
    assert_close(pooling.average_pool_backward(dy.copy(), kernel, stride, out=gradient), dx, scale=size)


@given(sizes=SIZES, seed=SEEDS)
def test_the_global_average_is_the_mean_over_all_pixels(dtype, assert_close, sizes, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal(sizes).astype(dtype), rng.standard_normal((sizes[0], sizes[3])).astype(dtype)
    area = sizes[1] * sizes[2]
    out, gradient = np.full(dy.shape, np.nan, dtype), np.full(sizes, np.nan, dtype)
    pooling.global_average(x, out=out)
    assert_close(out, x.astype(np.float64).mean((1, 2)), scale=1 + abs(x).mean((1, 2)), roundings=8)
    pooling.global_average_backward(dy.copy(), out=gradient)
    assert_close(gradient, np.broadcast_to(dy[:, None, None] / area, sizes).astype(np.float64))
