import numpy as np
import pytest

from mnist_trainer.layers.softmax import Softmax


@pytest.mark.parametrize(("dtype", "floor"), [(np.float32, 1e-30), (np.float64, 1e-300)])
@pytest.mark.parametrize("classes", [10, 65])
def test_probabilities_sum_to_one_and_never_fall_under_the_floor(built, dtype, floor, classes):
    stack = built([Softmax()], (classes,), dtype=dtype)
    z = 1e4 * stack.input(8)
    p = stack.forward(z)
    assert p.min() == dtype(floor)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_class_on_the_floor_still_gets_the_cross_entropy_s_whole_gradient(built, dtype):
    stack = built([Softmax()], (3,), dtype=dtype)
    p = stack.forward(np.array([[-1e4, 0, -1e4]], dtype))
    dz = stack.backward(np.array([[-1, 0, 0]], dtype) / p)
    np.testing.assert_allclose(dz, [[-1, 1, 0]], atol=1e-6)


def test_softmax_by_hand(built):
    stack = built([Softmax()], (3,))
    p = stack.forward(np.log([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)
    # Σ dp p = 1: each entry is p (dp − 1)
    dz = stack.backward(np.array([[1.0, 0.0, 1.4]]))
    np.testing.assert_allclose(dz, [[0, -2 / 8, 2 / 8]], atol=1e-15)
