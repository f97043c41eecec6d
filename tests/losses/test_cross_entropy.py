import numpy as np
import pytest

from mnist_trainer.losses.cross_entropy import CrossEntropy


@pytest.fixture
def probabilities():
    """Four rows; the first two have no probability at all for class 0."""
    return np.array([[0, 0.5, 0.5], [0, 0, 1], [0.2, 0.3, 0.5], [1, 0, 0]])


@pytest.mark.parametrize(("dtype", "cap"), [(np.float32, 30 * np.log(10)), (np.float64, 300 * np.log(10))])
def test_rows_on_the_floor_are_counted_capped_and_get_a_finite_gradient(probabilities, dtype, cap):
    p, labels, loss = probabilities.astype(dtype), np.zeros(4, int), CrossEntropy()
    assert loss.forward(p, labels) == pytest.approx((2 * cap - np.log(0.2)) / 4, rel=1e-6)
    assert loss.clamped_rows == 2
    gradient = loss.backward()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[:, 0] * np.maximum(p[:, 0], np.exp(-cap)), -1 / 4, rtol=1e-5)
    np.testing.assert_array_equal(gradient[:, 1:], 0)
    np.testing.assert_allclose(loss.targets_gradient()[:, 0], [cap / 4, cap / 4, -np.log(0.2) / 4, 0], rtol=1e-6)


def test_soft_targets_count_a_row_once_and_only_where_there_is_a_target(probabilities):
    loss = CrossEntropy()
    loss.forward(probabilities, np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [1, 0, 0], [1, 0, 0.0]]))
    assert loss.clamped_rows == 2
    assert np.isfinite(loss.backward()).all()


def test_smoothing_puts_a_target_on_every_class(probabilities):
    loss = CrossEntropy(0.1)
    loss.forward(probabilities, np.array([1, 2, 0, 0]))
    assert loss.clamped_rows == 3


def test_the_count_is_that_of_the_last_batch(probabilities):
    loss = CrossEntropy()
    loss.forward(probabilities, np.zeros(4, int))
    loss.forward(probabilities[2:], np.zeros(2, int))
    assert loss.clamped_rows == 0


def test_the_derivative_is_with_respect_to_the_probabilities_not_the_logits():
    loss = CrossEntropy()
    loss.forward(np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([0, 1]))
    np.testing.assert_array_equal(loss.backward(), [[-2, 0], [0, -1]])
