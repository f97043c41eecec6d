import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.kernels import cross_entropy as ce

SHAPES = st.tuples(st.sampled_from([1, 2, 7, 32]), st.integers(2, 12))
SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([1.0, 0.125, -2.5])


def draw(shape, seed):
    """Logits, soft targets whose rows don't sum to 1 (some entries 0), labels, and the row numbers."""
    rng = np.random.default_rng(seed)
    targets = rng.random(shape) * (rng.random(shape) > 0.3)
    return 3 * rng.standard_normal(shape), targets, rng.integers(0, shape[1], shape[0]), np.arange(shape[0])


def one_hot(labels, classes):
    return np.eye(classes)[labels]


@pytest.fixture(scope="session")
def prepared(placed):
    """What the log-sum-exp kernels get: shifted logits, exponentials, their sums and the logarithms of these."""

    def prepare(z):
        shifted, exact = placed(z - z.max(axis=1, keepdims=True))
        sums = np.exp(exact).sum(axis=1, keepdims=True)
        return shifted, exact, placed(np.exp(exact))[0], placed(sums)[0], placed(np.log(sums))[0]

    return prepare


def lse(z):
    return np.log(np.exp(z).sum(axis=1, keepdims=True))


@given(shape=SHAPES, seed=SEEDS, smoothing=st.sampled_from([0.0, 0.1, 0.9]))
def test_dense_targets_mix_one_hot_or_soft_ones_with_the_uniform(empty, placed, assert_close, shape, seed, smoothing):
    _, soft, labels, rows = draw(shape, seed)
    out, uniform = empty(*shape), smoothing / shape[1]
    assert ce.dense_targets(labels, smoothing, rows=rows, out=out) is out
    assert_close(out, (1 - smoothing) * one_hot(labels, shape[1]) + uniform)
    soft, exact = placed(soft)
    out = ce.dense_targets(soft, smoothing, rows=rows, out=empty(*shape))
    assert_close(out, (1 - smoothing) * exact + uniform)


@given(shape=SHAPES, seed=SEEDS)
def test_distances_are_how_far_the_targets_logits_lie_under_the_largest(
    prepared, placed, empty, assert_close, dtype, shape, seed
):
    z, soft, labels, rows = draw(shape, seed)
    shifted, exact, *_ = prepared(z)
    eps = 32 * np.finfo(dtype).eps * len(z) * (1 - exact.min())
    hard = ce.hard_distances(shifted, labels, rows=rows)
    assert type(hard) is float
    assert hard == pytest.approx(-exact[rows, labels].sum(), abs=eps, rel=0)
    targets, t64 = placed(soft)
    ones, totals = np.ones((shape[1], 1), dtype), empty(len(z), 1)
    got = ce.soft_distances(shifted, targets, ones=ones, totals=totals, scratch=empty(*shape))
    assert type(got) is float
    assert got == pytest.approx(-(t64 * exact).sum(), abs=eps * shape[1], rel=0)
    assert_close(totals, t64.sum(axis=1, keepdims=True), roundings=8)


@given(shape=SHAPES, seed=SEEDS, scale=SCALES)
def test_gradients_with_respect_to_logits_are_p_times_the_total_minus_t(
    prepared, placed, empty, assert_close, shape, seed, scale
):
    z, soft, labels, rows = draw(shape, seed)
    _, exact, exponentials, sums, _ = prepared(z)
    p, out, row = np.exp(exact - lse(exact)), empty(*shape), empty(len(z), 1)
    assert ce.hard_logits_gradient(exponentials, sums, labels, scale, rows=rows, row=row, out=out) is out
    assert_close(out, scale * (p - one_hot(labels, shape[1])), roundings=16)
    (targets, t64), out = placed(soft), empty(*shape)
    totals = t64.sum(axis=1, keepdims=True)
    got = ce.soft_logits_gradient(exponentials, sums, targets, placed(totals)[0], scale, row=row, out=out)
    assert got is out
    assert_close(out, scale * (p * totals - t64), roundings=16 * shape[1])


@given(shape=SHAPES, seed=SEEDS, scale=SCALES)
def test_the_targets_gradient_is_minus_log_p(prepared, placed, empty, assert_close, dtype, shape, seed, scale):
    shifted, exact, _, _, log_sums = prepared(draw(shape, seed)[0])
    out = empty(*shape)
    assert ce.targets_gradient_from_shifted(shifted, log_sums, scale, out=out) is out
    assert_close(out, scale * (lse(exact) - exact), roundings=8)
    (p, p64), out = placed(np.exp(exact - lse(exact))), empty(*shape)
    assert ce.targets_gradient_from_probabilities(p, 1e-30, scale, out=out) is out
    assert_close(out, -scale * np.log(p64), roundings=8)
    p.fill(0)
    assert_close(
        ce.targets_gradient_from_probabilities(p, 1e-30, scale, out=out), np.full(shape, -scale * np.log(1e-30))
    )


@given(shape=SHAPES, seed=SEEDS, scale=SCALES)
def test_losses_from_probabilities_and_their_gradients(placed, empty, assert_close, dtype, shape, seed, scale):
    z, soft, labels, rows = draw(shape, seed)
    (p, p64), (t, t64) = placed(np.exp(z - lse(z))), placed(soft)
    true, raised, out = np.full(len(p), np.nan, dtype), empty(*shape), empty(*shape)
    eps = 32 * np.finfo(dtype).eps * (1 + abs(np.log(p64)).max())
    loss, clamped = ce.hard_loss_from_probabilities(p, labels, 1e-30, rows=rows, out=true)
    assert (type(loss), type(clamped), clamped) == (float, int, 0)
    assert loss == pytest.approx(-np.log(p64[rows, labels]).mean(), abs=eps, rel=0)
    np.testing.assert_array_equal(true, p[rows, labels])
    ce.hard_probabilities_gradient(true, labels, scale, rows=rows, out=out)
    assert_close(out, -scale * one_hot(labels, shape[1]) / p64, scale=1 + 1 / p64)
    loss, clamped = ce.soft_loss_from_probabilities(p, t, 1e-30, scratch=empty(*shape), out=raised)
    assert (type(loss), type(clamped), clamped) == (float, int, 0)
    assert loss == pytest.approx(-(t64 * np.log(p64)).sum(axis=1).mean(), abs=eps * shape[1], rel=0)
    np.testing.assert_array_equal(raised, p)
    ce.soft_probabilities_gradient(raised, t, scale, out=out)
    assert_close(out, -scale * t64 / p64, scale=1 + 1 / p64)


def test_rows_with_a_target_at_the_floor_are_counted_and_their_loss_is_capped(empty, dtype):
    p, t, labels, rows = empty(4, 3), empty(4, 3), np.array([0, 1, 2, 0]), np.arange(4)
    p[...] = [[0, 0.5, 0.5], [0, 1e-30, 1], [1, 0, 0.5], [0.5, 0.5, 0]]
    true = np.full(4, np.nan, dtype)
    cap = -np.log(1e-30)
    loss, clamped = ce.hard_loss_from_probabilities(p, labels, 1e-30, rows=rows, out=true)
    assert clamped == 2
    assert loss == pytest.approx((2 * cap + 2 * np.log(2)) / 4, rel=4 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(true, np.array([1e-30, 1e-30, 0.5, 0.5], dtype))
    t[...] = [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 1, 0], [0.5, 0.5, 0]]  # two targets at the floor are one row
    loss, clamped = ce.soft_loss_from_probabilities(p, t, 1e-30, scratch=empty(4, 3), out=empty(4, 3))
    assert clamped == 3
    assert loss == pytest.approx(
        (cap / 2 + np.log(2) / 2 + cap + cap + np.log(2)) / 4, rel=4 * float(np.finfo(dtype).eps)
    )


def test_correct_counts_rows_whose_first_largest_prediction_is_the_label(empty):
    predictions, out = empty(4, 3), np.full(4, -1, np.intp)
    predictions[...] = [[0, 1, 0], [2, 2, 0], [2, 2, 0], [-3, -2, -1]]
    assert ce.correct(predictions, np.array([1, 0, 1, 2]), out=out) == 3
    assert out.tolist() == [1, 0, 0, 2]
