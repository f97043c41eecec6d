"""Convolution alone, and with ReLU and pooling in one walk, against naive loops in float64."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mnist_trainer.kernels import convolution, convolution_room, pooled_convolution
from mnist_trainer.kernels.convolution_room import PATCH_BYTES, ConvRoom, images_a_chunk
from mnist_trainer.kernels.pooled_patches import FEW_FILTERS, PooledPatchRoom
from mnist_trainer.kernels.windows import positions

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
PADDINGS = st.tuples(st.integers(0, 3), st.integers(0, 3))
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 1, 2, 3]))
FEW_OR_MANY = st.sampled_from([1, 2, 3, FEW_FILTERS + 1])  # of one channel they are computed in other ways
SEEDS = st.integers(0, 2**32 - 1)


def case(dtype, sizes, kernel, filters, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(sizes).astype(dtype)
    w = rng.standard_normal((*kernel, sizes[3], filters)).astype(dtype)
    b = rng.standard_normal(filters).astype(dtype)
    return rng, x, w, b


def spoil(room):
    """Fill what a room doesn't promise to hold with NaN."""
    for array in (room.patches, room.scratch, room.spread_patches, room.products, room.flipped):
        array.fill(np.nan)


def fits(sizes, kernel, stride, padding):
    return min(positions(sizes[1:3], kernel, stride, padding)) >= 1


@pytest.mark.parametrize("chunk", [1, 2])
@given(sizes=SIZES, kernel=PAIRS, stride=PAIRS, padding=PADDINGS, filters=st.integers(1, 3), seed=SEEDS)
def test_convolution_and_its_gradients_are_the_naive_loops(
    dtype, assert_close, naive, chunk, sizes, kernel, stride, padding, filters, seed
):
    assume(fits(sizes, kernel, stride, padding))
    rng, x, w, b = case(dtype, sizes, kernel, filters, seed)
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    y64, gradients = naive(x64, w64, stride, padding)
    size, size_gradients = naive(abs(x64), abs(w64), stride, padding)
    dy = rng.standard_normal(y64.shape).astype(dtype)
    (dx64, dw64), (dx_size, dw_size) = gradients(dy.astype(np.float64)), size_gradients(abs(dy.astype(np.float64)))

    room = ConvRoom.make(sizes[1:], kernel, stride, padding, filters, chunk, dtype)
    spoil(room)
    y, dw, dx = (np.full(a.shape, np.nan, dtype) for a in (y64, w64, x64))
    for bias in (b, None):
        assert convolution.convolve(x, w, bias, room, out=y) is y
        added = 0 * b if bias is None else b
        assert_close(y, y64 + added, scale=1 + size + abs(added), roundings=8)
    convolution.weights_gradient(x, dy, room, out=dw)
    assert_close(dw, dw64, scale=1 + dw_size, roundings=8)
    convolution.input_gradient(dy, w, room, out=dx)
    assert_close(dx, dx64, scale=1 + dx_size, roundings=8)


@pytest.mark.parametrize("place", [1, 2, None])  # how many images there is place for; None: all, walked one by one
@given(sizes=SIZES, kernel=PAIRS, padding=PADDINGS, pool=PAIRS, filters=FEW_OR_MANY, seed=SEEDS)
def test_convolution_relu_and_pooling_in_one_walk_are_the_naive_loops(
    dtype, assert_close, naive, place, sizes, kernel, padding, pool, filters, seed
):
    padding = tuple(min(p, k - 1) for p, k in zip(padding, kernel, strict=True))
    shape = positions(positions(sizes[1:3], kernel, (1, 1), padding), pool, pool, (0, 0))
    assume(fits(sizes, kernel, (1, 1), padding) and min(shape) >= 1)
    rng, x, w, b = case(dtype, sizes, kernel, filters, seed)
    x, w, b = np.round(2 * x) / 2, np.round(2 * w) / 2, np.round(2 * b) / 2  # exact sums, and many ties
    n = len(x)
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    z, gradients = naive(x64, w64, (1, 1), padding)
    z = z + b
    y64, dz = np.zeros((n, *shape, filters)), np.zeros_like(z)
    dy = np.round(4 * rng.standard_normal(y64.shape)).astype(dtype)
    for index in np.ndindex(y64.shape):
        image, i, j, f = index
        window = z[image, i * pool[0] : (i + 1) * pool[0], j * pool[1] : (j + 1) * pool[1], f]
        y64[index] = max(window.max(), 0)
        if window.max() > 0:
            k, l = np.unravel_index(window.argmax(), window.shape)  # the first of equal ones  # noqa: E741
            dz[image, i * pool[0] + k, j * pool[1] + l, f] = dy[index]
    dx64, dw64 = gradients(dz)

    with pytest.MonkeyPatch.context() as patch:
        if place is None:
            patch.setattr(convolution_room, "PATCH_BYTES", 1)
        made = PooledPatchRoom.make(sizes[1:], kernel, padding, pool, filters, place or n, dtype)
    room = replace(made, wins=np.ones((len(made.wins), n + 1, *made.wins.shape[2:]), np.bool_))
    spoil(room.room)
    for array in (room.planes, room.scratch):
        array.fill(np.nan)
    y, dw, dx = (np.full(a.shape, np.nan, dtype) for a in (y64, w64, x64))
    assert pooled_convolution.forward(x, w, b, room, out=y) is y
    np.testing.assert_array_equal(y, y64)
    pooled_convolution.gradients(x, dy * (y > 0), w, room, d_weights=dw, dx=dx)
    np.testing.assert_array_equal(dw, dw64)
    np.testing.assert_array_equal(dx, dx64)


def test_the_walk_takes_as_many_images_as_fit_the_cache_and_at_least_one():
    assert images_a_chunk(10**9, 4, 128) == 1
    assert images_a_chunk(1, 4, 128) == 128
    assert 1 < images_a_chunk(10_000, 4, 128) <= PATCH_BYTES // 40_000


@pytest.mark.parametrize("columns", [3, convolution.FEW_COLUMNS + 1])
def test_products_in_blocks_are_the_whole_product(dtype, assert_close, columns):
    rng = np.random.default_rng(0)
    rows, matrix, dy = (
        rng.integers(-4, 5, shape).astype(dtype) for shape in ((5000, 90), (90, columns), (5000, columns))
    )
    assert (len(list(convolution.small_products(5000, matrix))) > 1) == (columns == 3)
    np.testing.assert_array_equal(convolution.multiply(rows, matrix, out=np.full_like(dy, np.nan)), rows @ matrix)
    total, scratch = np.ones_like(matrix), np.full_like(matrix, np.nan)
    np.testing.assert_array_equal(convolution.add_product(rows, dy, scratch=scratch, out=total), 1 + rows.T @ dy)
