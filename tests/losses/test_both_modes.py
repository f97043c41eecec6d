"""What the project is about: fused and separate softmax + cross-entropy are one function with one gradient."""

import numpy as np
import pytest

from mnist_trainer.losses.softmax_loss import SoftmaxLoss

GAPS = [0, 1, 20, 50, 100, 1000]


def logits(n, classes, spread=3.0, dtype=np.float64):
    return (spread * np.random.default_rng(n).standard_normal((n, classes))).astype(dtype)


def log_sum_exp(z):
    top = z.max(axis=1, keepdims=True)
    return top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))


def gapped(gap, classes, dtype=np.float64, n=3):
    """Rows whose true class (their index) lies `gap` under one other class, the rest far below both."""
    z = np.full((n, classes), -gap - 5.0)
    z[np.arange(n), np.arange(n)] = 0
    z[:, -1] = gap
    return z.astype(dtype), np.arange(n)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("classes", [2, 10, 64, 65])
@pytest.mark.parametrize("n", [1, 7, 32])
def test_the_modes_agree_to_the_last_digits_in_float64(separate, targets, n, classes, smoothing):
    z, t = logits(n, classes), targets(n, classes)
    fused, two = SoftmaxLoss(smoothing), separate(n, classes, label_smoothing=smoothing)
    assert fused.forward(z, t) == pytest.approx(two.forward(z, t), rel=1e-13)
    g, h = fused.backward(), two.backward()
    assert np.linalg.norm(g - h) <= 1e-12 * np.linalg.norm(g) + 1e-15
    np.testing.assert_allclose(fused.targets_gradient(), two.targets_gradient(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("n", [1, 7, 128])
def test_the_modes_agree_to_rounding_in_float32(separate, targets, n, spread):
    z, t = logits(n, 10, spread, np.float32), targets(n, 10)
    fused, two = SoftmaxLoss(), separate(n, 10, np.float32)
    assert fused.forward(z, t) == pytest.approx(two.forward(z, t), rel=1e-6, abs=1e-6)
    g, h = fused.backward(), two.backward()
    assert g.dtype == h.dtype == np.float32
    assert np.linalg.norm(g - h) <= 1e-5 * np.linalg.norm(g) + 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", GAPS)
def test_the_fused_loss_is_the_true_one_at_any_gap(gap, dtype):
    z, labels = gapped(gap, 10, dtype)
    loss = SoftmaxLoss()
    reference = np.mean(log_sum_exp(z.astype(np.float64))[:, 0] - z[labels, labels])
    eps = float(np.finfo(dtype).eps)
    assert loss.forward(z, labels) == pytest.approx(reference, rel=4 * eps, abs=4 * eps)
    p = np.exp(z.astype(np.float64) - log_sum_exp(z.astype(np.float64)))
    np.testing.assert_allclose(loss.backward(), (p - np.eye(10)[labels]) / 3, rtol=0, atol=4 * eps)
    assert loss.clamped_rows == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", GAPS)
def test_the_fused_targets_gradient_is_finite_where_p_underflows(gap, dtype):
    z, labels = gapped(gap, 10, dtype)
    loss, exact = SoftmaxLoss(), z.astype(np.float64)
    loss.forward(z, labels)
    eps = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(loss.targets_gradient(), (log_sum_exp(exact) - exact) / 3, rtol=eps, atol=eps)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize(("dtype", "cap"), [(np.float32, 69.0776), (np.float64, 690.7755)])
@pytest.mark.parametrize("gap", GAPS)
def test_the_separate_loss_is_the_true_one_up_to_its_cap_and_its_gradient_is_whole(separate, gap, dtype, cap, soft):
    z, labels = gapped(gap, 10, dtype)
    two, fused = separate(3, 10, dtype), SoftmaxLoss()
    t = np.eye(10)[labels] if soft else labels
    true = fused.forward(z, t)
    assert two.forward(z, t) == pytest.approx(min(true, cap), rel=2e-6)
    assert two.clamped_rows == (3 if true > cap else 0)
    gradient = two.backward()
    np.testing.assert_allclose(gradient, fused.backward(), rtol=0, atol=4 * float(np.finfo(dtype).eps))
    if gap >= 50:
        np.testing.assert_allclose(gradient[labels, labels], -1 / 3, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [-1e4, 1e4])
def test_an_offset_of_all_logits_and_rows_far_apart_change_nothing(separate, dtype, offset):
    z = (np.random.default_rng(0).integers(-8, 8, (7, 10)) / 4).astype(dtype)  # exact at any offset
    labels = np.arange(7)
    offsets = np.where(np.arange(7) % 2, offset, 0)[:, None].astype(dtype)  # a global maximum would underflow half
    for loss in (SoftmaxLoss(), separate(7, 10, dtype)):
        expected = loss.forward(z, labels), loss.backward().copy()
        assert loss.forward(z + offsets, labels) == expected[0]
        np.testing.assert_array_equal(loss.backward(), expected[1])


def test_rows_of_the_logits_gradient_sum_to_zero(separate, targets):
    z, t = logits(16, 10), targets(16, 10)
    for loss in (SoftmaxLoss(), SoftmaxLoss(0.1), separate(16, 10), separate(16, 10, label_smoothing=0.1)):
        loss.forward(z, t)
        gradient = loss.backward()
        assert abs(gradient).max() > 1e-3
        np.testing.assert_allclose(gradient.sum(axis=1), 0, rtol=0, atol=1e-15)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes(separate):
    labels = np.arange(20) % 10
    for loss in (SoftmaxLoss(), separate(20, 10)):
        assert loss.forward(np.zeros((20, 10)), labels) == pytest.approx(2.302585092994046, rel=1e-15)


def test_the_question_s_batch_by_ten_worked_by_hand(separate):
    z = np.tile(np.log(np.arange(1.0, 11.0)), (2, 1))  # softmax: 1/55, 2/55, … 10/55
    t = np.zeros((2, 10))
    t[0, 9] = t[1, 0] = 1
    expected = np.tile(np.arange(1, 11) / 110, (2, 1))
    expected[0, 9] = (10 / 55 - 1) / 2
    expected[1, 0] = (1 / 55 - 1) / 2
    targets_gradient = np.tile(np.log(55 / np.arange(1, 11)) / 2, (2, 1))
    for loss in (SoftmaxLoss(), separate(2, 10)):
        for targets in (t, np.array([9, 0])):
            assert loss.forward(z, targets) == pytest.approx((np.log(5.5) + np.log(55)) / 2, rel=1e-14)
            np.testing.assert_allclose(loss.backward(), expected, rtol=1e-13)
            np.testing.assert_allclose(loss.targets_gradient(), targets_gradient, rtol=1e-13)


def test_smoothing_by_hand(separate):
    z, labels = np.log([[1.0, 3.0]]), np.array([1])  # p = 1/4, 3/4; t = 0.1, 0.9
    for loss in (SoftmaxLoss(0.2), separate(1, 2, label_smoothing=0.2)):
        assert loss.forward(z, labels) == pytest.approx(0.1 * np.log(4) + 0.9 * np.log(4 / 3), rel=1e-14)
        np.testing.assert_allclose(loss.backward(), [[0.15, -0.15]], rtol=1e-13)
        np.testing.assert_allclose(loss.targets_gradient(), [[0.8 * np.log(4), 0.8 * np.log(4 / 3)]], rtol=1e-13)
