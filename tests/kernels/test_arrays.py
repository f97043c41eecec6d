import numpy as np
import pytest

from mnist_trainer.kernels import arrays


@pytest.mark.parametrize(("constant", "value"), [(arrays.ones, 1), (arrays.zeros, 0)])
@pytest.mark.parametrize("shape", [7, (3, 2)])
def test_constants_are_made_once_and_nobody_can_change_them(dtype, constant, value, shape):
    made = constant(shape, np.dtype(dtype))
    assert constant(shape, made.dtype) is made
    np.testing.assert_array_equal(made, np.full(shape, value, dtype), strict=True)
    with pytest.raises(ValueError, match="read-only"):
        made[0] = 5
