import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import arrays
from mnist_trainer.kernels.arrays import probability_floor


@pytest.mark.parametrize(("dtype", "expected"), [(np.float32, 1e-30), (np.float64, 1e-300)])
def test_the_floor_leaves_room_for_the_gradient_of_the_largest_batch(dtype, expected):
    assert probability_floor(dtype) == probability_floor(np.dtype(dtype)) == expected
    floor = dtype(expected)
    assert np.isfinite(1 / floor)
    assert floor * (1 / floor / dtype(1e6)) == pytest.approx(1e-6)
    assert floor >= np.finfo(dtype).tiny  # subnormal numbers are slow and lose digits


@pytest.mark.parametrize(("constant", "value"), [(arrays.ones, 1), (arrays.zeros, 0)])
@pytest.mark.parametrize("shape", [7, (3, 2)])
def test_constants_are_made_once_and_nobody_can_change_them(dtype, constant, value, shape):
    made = constant(shape, np.dtype(dtype))
    assert constant(shape, made.dtype) is made
    np.testing.assert_array_equal(made, np.full(shape, value, dtype), strict=True)
    with pytest.raises(ValueError, match="read-only"):
        made[0] = 5


@given(shape=st.lists(st.integers(1, 40), max_size=3).map(tuple), kind=st.sampled_from([np.float32, np.float64, bool]))
def test_arrays_begin_where_lines_of_the_cache_do(shape, kind):
    made, zeros = arrays.empty(shape, kind), arrays.blank(shape, kind)
    assert made.shape == zeros.shape == shape
    assert made.dtype == zeros.dtype == kind
    assert made.ctypes.data % 64 == zeros.ctypes.data % 64 == 0
    assert made.flags.c_contiguous
    assert not zeros.any()
    assert arrays.empty(7, kind).shape == (7,)
