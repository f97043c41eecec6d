import numpy as np
import pytest

from mnist_trainer.kernels import random


def test_normal_has_mean_zero_and_the_deviation(dtype):
    out = random.normal(np.random.default_rng(0), 0.3, out=np.empty((500, 400), dtype))
    count = out.size
    assert abs(out.mean(dtype=float)) < 5 * 0.3 / np.sqrt(count)
    assert abs(out.std(dtype=float) / 0.3 - 1) < 5 / np.sqrt(2 * count)


def test_normal_in_float32_is_that_of_float64_rounded():
    single, double = (
        random.normal(np.random.default_rng(5), 0.7, out=np.empty((9, 8), kind)) for kind in (np.float32, np.float64)
    )
    np.testing.assert_array_equal(single, double.astype(np.float32))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 1.0])
def test_keep_mask_is_true_with_the_probability_into_a_leading_slice(dtype, keep):
    scratch, out = np.empty((600, 200), dtype), np.zeros((600, 200), np.bool_)
    mask = random.keep_mask(np.random.default_rng(0), keep, scratch=scratch[:500], out=out[:500])
    assert np.shares_memory(mask, out)
    assert not out[500:].any()
    assert abs(mask.mean() - keep) <= 5 * np.sqrt(keep * (1 - keep) / mask.size)
    columns = mask.mean(axis=0)  # no unit is kept more often than another
    assert abs(columns - keep).max() <= 5 * np.sqrt(keep * (1 - keep) / 500)
