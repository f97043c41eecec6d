import numpy as np
import pytest

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
