"""Winograd's convolution, alone and with ReLU and pooling, against naive loops in float64."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import pooled_convolution, winograd
from mnist_trainer.kernels.pooled_winograd import PooledWinogradRoom
from mnist_trainer.kernels.winograd_room import WinogradRoom, images_a_chunk

PIXELS = [(0, 0), (0, 1), (1, 0), (1, 1)]
CASES = {
    "tiles": st.tuples(st.integers(1, 3), st.integers(1, 3)),
    "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
    "n": st.integers(1, 5),
    "channels": st.integers(1, 3),
    "filters": st.integers(1, 3),
    "seed": st.integers(0, 2**32 - 1),
}


def case(dtype, tiles, padding, n, channels, filters, seed):
    """Draw x, weights and a bias, for about that many tiles: images are of two pixels at least."""
    size = [max(2, 2 * t + 2 - 2 * p) for t, p in zip(tiles, padding, strict=True)]
    tiles = tuple((s + 2 * p - 2) // 2 for s, p in zip(size, padding, strict=True))
    rng = np.random.default_rng(seed)
    shapes = ((n, *size, channels), (3, 3, channels, filters), (filters,))
    return rng, tiles, *(rng.standard_normal(shape).astype(dtype) for shape in shapes)


def room_for(chunk, images, tiles, channels, filters, dtype):
    room = WinogradRoom.make(tiles, channels, filters, chunk, dtype)
    room = replace(room, inputs=np.stack([room.inputs[0]] * -(-images // chunk)))
    for array in vars(room).values():
        array.fill(np.nan)
    return room


@pytest.mark.parametrize("chunk", [1, 2])
@given(**CASES)
def test_the_walk_and_its_gradients_are_the_naive_loops(
    dtype, assert_close, naive, chunk, tiles, padding, n, channels, filters, seed
):
    rng, tiles, x, w, _ = case(dtype, tiles, padding, n, channels, filters, seed)
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    y64, gradients = naive(x64, w64, (1, 1), padding)
    size, size_gradients = naive(abs(x64), abs(w64), (1, 1), padding)
    dy = rng.standard_normal(y64.shape).astype(dtype)
    (dx64, dw64), (dx_size, dw_size) = gradients(dy.astype(np.float64)), size_gradients(abs(dy.astype(np.float64)))

    room = room_for(chunk, n, tiles, channels, filters, dtype)
    y, dw, dx = (np.full(a.shape, np.nan, dtype) for a in (y64, w64, x64))
    winograd.transform_weights(w, room)
    room.d_weights.fill(0)
    for part, views in room.chunks(x):
        for (i, j), plane in zip(PIXELS, winograd.outputs(x[part], padding, views), strict=True):
            y[part, i::2, j::2] = plane.transpose(2, 0, 1, 3)
        for (i, j), plane in zip(PIXELS, winograd.corners(views), strict=True):
            plane[...] = dy[part, i::2, j::2].transpose(1, 2, 0, 3)
        winograd.add_gradients(padding, views, dx=dx[part])
    winograd.weights_gradient(room, out=dw)
    for actual, reference, scale in ((y, y64, size), (dx, dx64, dx_size), (dw, dw64, dw_size)):
        assert_close(actual, reference, scale=1 + scale.max(), roundings=8)


@pytest.mark.parametrize("chunk", [1, 2])
@given(**CASES)
def test_convolution_relu_and_pooling_in_one_walk_are_the_naive_loops(
    dtype, naive, chunk, tiles, padding, n, channels, filters, seed
):
    rng, tiles, x, w, b = case(dtype, tiles, padding, n, channels, filters, seed)
    x, w, b = (np.round(2 * a) / 2 for a in (x, w, b))  # exact sums, and many ties
    z, gradients = naive(x.astype(np.float64), w.astype(np.float64), (1, 1), padding)
    pixels = (z + b).reshape(n, tiles[0], 2, tiles[1], 2, filters).transpose(0, 1, 3, 5, 2, 4)
    pixels = pixels.reshape(*pixels.shape[:4], 4)
    y64 = np.maximum(pixels.max(-1), 0)
    dy = np.round(4 * rng.standard_normal(y64.shape)).astype(dtype)
    dz = (np.arange(4) == pixels.argmax(-1)[..., None]) * (dy * (y64 > 0))[..., None]  # the first of equal ones
    dz = dz.reshape(*y64.shape, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(z.shape).astype(np.float64)
    dx64, dw64 = gradients(dz)

    made = PooledWinogradRoom.make(x.shape[1:], (3, 3), padding, (2, 2), filters, n + 1, dtype)
    room = replace(made, room=room_for(chunk, n, tiles, channels, filters, dtype))
    y, dw, dx = (np.full(a.shape, np.nan, dtype) for a in (y64, w, x))
    for wanted in (dx, None):
        assert pooled_convolution.forward(x, w, b, room, out=y) is y
        np.testing.assert_array_equal(y, y64)
        pooled_convolution.gradients(x, dy * (y > 0), w, room, d_weights=dw, dx=wanted)
        np.testing.assert_array_equal(dw, dw64)
    np.testing.assert_array_equal(dx, dx64)


def test_sums_as_long_as_cnn_s_are_as_exact_as_plain_ones(naive):
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((2, 14, 14, 32)), 0).astype(np.float32)
    w = rng.standard_normal((3, 3, 32, 64)).astype(np.float32)
    y, _ = naive(x.astype(np.float64), w.astype(np.float64), (1, 1), (1, 1))
    room = WinogradRoom.make((7, 7), 32, 64, 2, np.float32)
    winograd.transform_weights(w, room)
    ((_, chunk),) = room.chunks(x)
    planes = winograd.outputs(x, (1, 1), chunk)
    for (i, j), plane in zip(PIXELS, planes, strict=True):
        error = plane.transpose(2, 0, 1, 3) - y[:, i::2, j::2]
        assert np.sqrt(np.mean(error**2) / np.mean(y**2)) < 4 * np.finfo(np.float32).eps


@pytest.mark.parametrize(
    ("in_shape", "kernel", "stride", "padding", "filters", "suits"),
    [
        ((14, 14, 32), (3, 3), (1, 1), (1, 1), 64, True),
        ((10, 4, 16), (3, 3), (1, 1), (0, 2), 16, True),
        ((14, 7, 32), (3, 3), (1, 1), (1, 1), 64, False),
        ((14, 14, 32), (5, 5), (1, 1), (2, 2), 64, False),
        ((14, 14, 32), (3, 3), (2, 2), (1, 1), 64, False),
        ((28, 28, 1), (3, 3), (1, 1), (1, 1), 32, False),
        ((2, 2, 32), (3, 3), (1, 1), (0, 0), 32, False),
    ],
)
def test_it_is_for_kernels_of_3x3_even_outputs_and_many_channels(in_shape, kernel, stride, padding, filters, suits):
    assert winograd.winograd_fits(in_shape, kernel, stride, padding, filters) == suits


def test_a_chunk_fits_the_cache_and_is_at_least_one_image():
    assert images_a_chunk(49, 32, 64, 4, 128) == 8
    assert images_a_chunk(49, 32, 64, 4, 5) == 5
    assert images_a_chunk(10**6, 32, 64, 4, 128) == 1
