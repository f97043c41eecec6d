import numpy as np
import pytest

from mnist_trainer.layers.initializers import normal


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_has_mean_zero_and_the_deviation(dtype):
    out = normal(np.random.default_rng(0), 0.3, out=np.empty((500, 400), dtype))
    count = out.size
    assert abs(out.mean(dtype=float)) < 5 * 0.3 / np.sqrt(count)
    assert abs(out.std(dtype=float) / 0.3 - 1) < 5 / np.sqrt(2 * count)


def test_normal_in_float32_is_that_of_float64_rounded():
    single, double = (
        normal(np.random.default_rng(5), 0.7, out=np.empty((9, 8), kind)) for kind in (np.float32, np.float64)
    )
    np.testing.assert_array_equal(single, double.astype(np.float32))
