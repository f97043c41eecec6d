import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels.channels import MANY_ROWS, over_rows

SHAPES = st.sampled_from([(3,), (MANY_ROWS - 1,), (MANY_ROWS,), (MANY_ROWS + 7,), (2, 25, 32), (40, 7, 7)])


@pytest.mark.parametrize("operation", [np.add, np.subtract, np.multiply])
@given(rows=SHAPES, channels=st.integers(1, 40), seed=st.integers(0, 999))
def test_it_is_the_plain_operation_bit_for_bit(dtype, operation, rows, channels, seed):
    rng = np.random.default_rng(seed)
    x, of_channels = rng.standard_normal((*rows, channels)).astype(dtype), rng.standard_normal(channels).astype(dtype)
    expected, out = operation(x, of_channels), np.full_like(x, np.nan)
    assert over_rows(operation, x, of_channels, out=out) is out
    np.testing.assert_array_equal(out, expected, strict=True)
    transposed = np.moveaxis(np.full((x.shape[-2], *x.shape[:-2], channels), np.nan, dtype), 0, -2)  # not in one run
    np.testing.assert_array_equal(over_rows(operation, x, of_channels, out=transposed), expected)
    np.testing.assert_array_equal(over_rows(operation, x, of_channels, out=x), expected)
