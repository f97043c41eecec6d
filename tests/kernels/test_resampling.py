import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import resampling
from mnist_trainer.kernels.resampling import ResamplingRoom, resample

ROUNDING = 1.5 + 0.01  # places to 1/256 of a pixel on two axes: a level; the result to a whole number: a half


def reference(pixels, rows, columns):
    """Bilinear interpolation in float64, a pixel at a time; outside is the edge's nearest pixel."""
    n, height, width, channels = pixels.shape
    rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
    seen = np.empty((n, height * width, channels))
    for image, place in np.ndindex(n, height * width):
        row, column = rows[image, place], columns[image, place]
        top, left = int(row), int(column)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = row - top, column - left
        source = pixels[image].astype(float)
        above = source[top, left] * (1 - across) + source[top, right] * across
        below = source[bottom, left] * (1 - across) + source[bottom, right] * across
        seen[image, place] = above * (1 - down) + below * down
    return seen.reshape(pixels.shape)


def grid(height, width):
    row, column = np.mgrid[:height, :width].reshape(2, -1)
    return np.stack([np.ones(height * width), row, column]).astype(np.float32)


def moved(n, down, right):
    """The coefficients, for `grid`, of images that are seen from elsewhere."""
    coefficients = np.zeros((2, n, 3), np.float32)
    coefficients[0, :, :2] = down, 1
    coefficients[1, :, 0] = right
    coefficients[1, :, 2] = 1
    return coefficients


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 5),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    chunk=st.integers(1, 5),
    reach=st.sampled_from([0.1, 1.0, 30.0]),
)
def test_each_pixel_is_what_lies_at_its_place_between_four_pixels(seed, n, shape, chunk, reach):
    rng = np.random.default_rng(seed)
    pixels = rng.choice([0, 1, 127, 254, 255], (n, *shape)).astype(np.uint8)
    fields = np.concatenate([grid(*shape[:2]), rng.standard_normal((2, shape[0] * shape[1]))]).astype(np.float32)
    coefficients = np.concatenate([moved(n, 0, 0), np.zeros((2, n, 2))], axis=-1)
    coefficients = (coefficients + reach * rng.uniform(-1, 1, coefficients.shape)).astype(np.float32)
    out = np.full_like(pixels, 99)
    resample(pixels, coefficients, fields, ResamplingRoom.make(shape, chunk), out=out)
    places = coefficients.astype(float) @ fields.astype(float)
    assert np.abs(out - reference(pixels, *places)).max() <= ROUNDING
    resample(pixels, coefficients, fields, ResamplingRoom.make(shape, n), out=pixels)
    np.testing.assert_array_equal(pixels, out)  # in place, in other chunks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-1, 3), (99, -99)])
def test_whole_steps_move_pixels_as_they_are(channels, down, right):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 6, 5, channels), np.uint8)
    out = np.empty_like(pixels)
    resample(pixels, moved(7, down, right), grid(6, 5), ResamplingRoom.make((6, 5, channels), 7), out=out)
    rows, columns = np.clip(np.arange(6) + down, 0, 5), np.clip(np.arange(5) + right, 0, 4)
    np.testing.assert_array_equal(out, pixels[:, rows][:, :, columns])


def test_a_room_holds_as_many_images_as_stay_in_the_cache(monkeypatch):
    assert ResamplingRoom.make((28, 28, 1), 128).index.shape == (63, 784)
    assert ResamplingRoom.make((28, 28, 1), 10).index.shape == (10, 784)
    monkeypatch.setattr(resampling, "CHUNK_BYTES", 1)
    assert ResamplingRoom.make((28, 28, 1), 10).index.shape == (1, 784)
