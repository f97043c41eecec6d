import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.errors import ConfigError
from mnist_trainer.losses.loss import Loss

LOSSES = {name: registry.losses[name] for name in ("fused", "separate")}


@pytest.fixture(params=LOSSES.values(), ids=LOSSES)
def cls(request):
    return request.param


def predictions_for(cls, n, classes=10, dtype=np.float64):
    rng = np.random.default_rng(n)
    if cls.expects == "probabilities":
        return rng.uniform(0.05, 1, (n, classes)).astype(dtype)  # not summing to 1: nothing may rely on it
    return (3 * rng.standard_normal((n, classes))).astype(dtype)


def reference(cls, predictions, t):
    x = predictions.astype(np.float64)
    logs = np.log(x) if cls.expects == "probabilities" else x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return -np.sum(t * logs) / len(x)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n", [1, 7, 32])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_forward_is_the_cross_entropy(cls, targets, dense, n, smoothing, dtype, tolerance):
    x, t, loss = predictions_for(cls, n, dtype=dtype), targets(n, 10), cls(label_smoothing=smoothing)
    value = loss.forward(x, t)
    assert type(value) is float
    assert value == pytest.approx(reference(cls, x, dense(t, 10, smoothing)), rel=tolerance)
    assert loss.clamped_rows == 0


@pytest.mark.parametrize("upstream", [1.0, -2.5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n", [1, 7, 32])
def test_backward_is_the_gradient_by_finite_differences(cls, targets, assert_is_gradient, n, smoothing, upstream):
    x, t, loss = predictions_for(cls, n), targets(n, 10), cls(label_smoothing=smoothing)
    loss.forward(x, t)
    gradient = loss.backward(upstream).copy()
    assert_is_gradient(lambda: upstream * loss.forward(x, t), x, gradient)


@pytest.mark.parametrize("upstream", [1.0, -2.5])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n", [1, 7, 32])
def test_targets_gradient_is_the_gradient_by_finite_differences(
    cls, targets, dense, assert_is_gradient, n, smoothing, upstream
):
    x, t, loss = predictions_for(cls, n), targets(n, 10), cls(label_smoothing=smoothing)
    loss.forward(x, t)
    gradient, t = loss.targets_gradient(upstream).copy(), dense(t, 10)
    assert_is_gradient(lambda: upstream * loss.forward(x, t), t, gradient)


def test_one_loss_serves_any_batch_dtype_and_number_of_classes_in_turn(cls, targets):
    shared = cls(label_smoothing=0.0)
    calls = [(8, 10, np.float64), (3, 10, np.float64), (3, 10, np.float32), (9, 10, np.float32), (9, 65, np.float32)]
    for n, classes, dtype in [*calls, (9, 64, np.float64), *calls[::-1]]:
        x, t, fresh = predictions_for(cls, n, classes, dtype), targets(n, classes), cls()
        assert shared.forward(x, t) == fresh.forward(x, t)
        for got, expected in [
            (shared.backward(), fresh.backward()),
            (shared.targets_gradient(), fresh.targets_gradient()),
        ]:
            assert (got.dtype, got.shape) == (dtype, (n, classes))
            np.testing.assert_array_equal(got, expected)


def test_every_batch_may_have_its_own_kind_of_targets(cls):
    x, loss = predictions_for(cls, 9), cls()
    for targets in (np.zeros(9, int), np.full((9, 10), 0.1), np.ones(9, int), np.eye(10)[:9]):
        fresh = cls()
        assert loss.forward(x, targets) == fresh.forward(x, targets)
        np.testing.assert_array_equal(loss.backward(), fresh.backward())


@pytest.mark.parametrize("kind", [bool, np.int8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 1e-6)])
def test_smoothed_rows_of_any_type_are_as_exact_as_the_predictions(cls, dense, kind, dtype, tolerance):
    x, t, loss = predictions_for(cls, 7, dtype=dtype), np.eye(10)[:7].astype(kind), cls(label_smoothing=0.1)
    exact = dense(t.astype(np.float64), 10, 0.1)
    assert loss.forward(x, t) == pytest.approx(reference(cls, x, exact), rel=tolerance)
    fresh = cls()
    fresh.forward(x, exact)
    assert loss.backward().dtype == dtype
    np.testing.assert_allclose(loss.backward(), fresh.backward(), rtol=tolerance, atol=tolerance)


def test_labels_and_their_one_hot_rows_are_the_same_targets(cls):
    x, labels, loss = predictions_for(cls, 9), np.arange(9, dtype=np.uint8), cls()
    hard = loss.forward(x, labels), loss.backward().copy(), loss.targets_gradient().copy()
    soft = loss.forward(x, np.eye(10)[labels]), loss.backward().copy(), loss.targets_gradient().copy()
    assert hard[0] == pytest.approx(soft[0], rel=1e-14)
    np.testing.assert_allclose(hard[1], soft[1], rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(hard[2], soft[2], rtol=1e-14)


def test_predictions_and_targets_are_left_alone_and_backward_can_be_asked_again(cls, targets):
    x, t, loss = predictions_for(cls, 7), targets(7, 10), cls()
    kept = x.copy(), t.copy()
    loss.forward(x, t)
    first, of_targets = loss.backward().copy(), loss.targets_gradient().copy()
    np.testing.assert_array_equal(loss.backward(), first)
    np.testing.assert_array_equal(loss.targets_gradient(), of_targets)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(t, kept[1])


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_predictions_memory_order_does_not_matter(cls, targets, order):
    x, t, loss = predictions_for(cls, 7), targets(7, 10), cls()
    expected = loss.forward(x, t), loss.backward().copy()
    buffer = np.full((12, 10), np.nan, order=order)
    buffer[:7] = x
    assert loss.forward(buffer[:7], t) == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(loss.backward(), expected[1], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros(6, int),
        np.zeros((7, 9)),
        np.zeros((10, 7)),
        np.zeros((7, 10, 1)),
        np.zeros(7),
        np.zeros(7, bool),
        np.zeros((7, 10), complex),
        np.full((7, 10), "x"),
        np.zeros(()),
    ],
    ids=lambda t: f"{t.shape} {t.dtype}",
)
def test_targets_of_another_shape_or_dtype_are_refused(cls, bad):
    with pytest.raises(ValueError, match=r"don't fit predictions of shape \(7, 10\)"):
        cls().forward(predictions_for(cls, 7), bad)


def test_predictions_that_are_no_table_are_refused(cls):
    with pytest.raises(ValueError, match=r"don't fit predictions of shape \(7,\)"):
        cls().forward(np.ones(7), np.zeros(7, int))


@pytest.mark.parametrize("label", [10, -1])
def test_a_label_that_is_no_class_is_refused_not_taken_for_another_one(cls, label):
    with pytest.raises((ValueError, IndexError)):
        cls().forward(predictions_for(cls, 2), np.array([0, label]))


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_smoothing_out_of_range_is_refused(cls, smoothing):
    with pytest.raises(ConfigError, match=r"label_smoothing=.* must be at least 0 and below 1"):
        cls(label_smoothing=smoothing)


def test_a_loss_without_a_targets_gradient_says_so():
    class Plain(Loss):
        def forward(self, predictions, targets):
            return 0.0

        def backward(self, upstream=1.0):
            return predictions_for(Plain, 1)

    with pytest.raises(TypeError, match="Plain has no gradient with respect to its targets"):
        Plain().targets_gradient()
