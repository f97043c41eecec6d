import numpy as np
import pytest

from mnist_trainer.kernels.pixels import gather, scale_pixels

RNG = np.random.default_rng(0)


def test_gather_picks_rows():
    rows, indices = RNG.integers(0, 256, (9, 4, 5, 1), np.uint8), np.array([3, 3, 0, 8])
    out = np.empty((4, 4, 5, 1), np.uint8)
    gather(rows, indices, out=out)
    np.testing.assert_array_equal(out, rows[indices])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("scale", "shift"), [(1 / 255, 0.0), (0.0127, -0.4242)])
def test_scaled_pixels_are_pixel_times_scale_plus_shift(dtype, scale, shift):
    pixels = RNG.integers(0, 256, (7, 28, 28, 1), np.uint8)
    out = np.empty(pixels.shape, dtype)
    scale_pixels(pixels, scale, shift, out=out)
    reference = pixels.astype(np.float64) * scale + shift
    np.testing.assert_allclose(out, reference, rtol=0, atol=4 * np.finfo(dtype).eps)
