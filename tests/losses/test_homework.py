"""The homework's loss as posted: right for targets that sum to 1, and what becomes of it where p underflows."""

import numpy as np
import pytest

from mnist_trainer.losses.homework import Homework
from mnist_trainer.losses.softmax_loss import SoftmaxLoss

N, C = 7, 10


def drawn(dtype=np.float64, spread=3.0):
    rng = np.random.default_rng(1)
    return (spread * rng.standard_normal((N, C))).astype(dtype), rng.integers(0, C, N)


def posted(inputs, gradient):
    """The question's text."""
    exp = np.exp(inputs[0] - np.max(inputs[0], axis=1, keepdims=True))
    softmax = exp / np.sum(exp, axis=1, keepdims=True)
    return (
        np.mean(-np.sum(inputs[1] * np.log(softmax), axis=1)),
        gradient * (softmax - inputs[1]) / inputs[0].shape[0],
    )


@pytest.mark.parametrize("upstream", [1.0, -2.5])
def test_it_is_what_was_posted(upstream):
    z, labels = drawn()
    for targets in (labels, np.eye(C)[labels]):
        loss = Homework()
        value, gradient = posted([z, np.eye(C)[labels]], upstream)
        assert loss.forward(z, targets) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(loss.backward(upstream), gradient, rtol=1e-14)


def test_it_is_the_fused_loss_at_ordinary_logits():
    z, labels = drawn()
    ours, fused = Homework(), SoftmaxLoss()
    assert ours.forward(z, labels) == pytest.approx(fused.forward(z, labels), rel=1e-13)
    np.testing.assert_allclose(ours.backward(), fused.backward(), atol=1e-15)


@pytest.mark.parametrize(("gap", "finite"), [(103, True), (104, False)])
def test_its_loss_is_inf_from_a_gap_of_104_on_in_float32_and_nan_with_dense_rows_and_its_gradient_stays(gap, finite):
    z, t = np.zeros((1, C), np.float32), np.eye(C, dtype=np.float32)[[0]]
    z[0, 1] = gap
    loss = Homework()
    assert np.isfinite(loss.forward(z, np.array([0]))) == finite
    assert loss.backward()[0, 0] == -1
    right = np.array([1])
    assert loss.forward(z, right) == 0
    assert np.isnan(loss.forward(z, t[:, [1, 0, *range(2, C)]])) != finite
    np.testing.assert_allclose(loss.backward(), 0, atol=1e-30)


def test_its_gradient_is_wrong_for_targets_that_do_not_sum_to_1():
    z, labels = drawn()
    loss, fused = Homework(), SoftmaxLoss()
    targets = 2 * np.eye(C)[labels]
    loss.forward(z, targets)
    fused.forward(z, targets)
    assert not np.allclose(loss.backward(), fused.backward())
