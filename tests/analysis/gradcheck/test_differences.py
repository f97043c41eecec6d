"""Differences see what is wrong, and take no kink for a mistake nor a mistake for a kink."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.analysis.gradcheck.differences import RELATIVE, Budget, choose_entries, compare_slope, measure
from mnist_trainer.analysis.gradcheck.examiner import judge_gradient


def measured(value, x, gradient, *, samples=24, budget=None):
    return measure(
        lambda: value(x),
        x,
        gradient,
        scale=max(1.0, abs(value(x))),
        samples=samples,
        rng=np.random.default_rng(0),
        budget=budget or Budget(),
    )


def waves(x):
    return float(np.sum(np.sin(x) * np.cos(2 * x)))


def slope_of_waves(x):
    return np.cos(x) * np.cos(2 * x) - 2 * np.sin(x) * np.sin(2 * x)


@given(seed=st.integers(0, 1000), shape=st.sampled_from([(1,), (7,), (3, 4), (2, 3, 5), (40, 50)]))
def test_a_right_gradient_agrees_and_x_is_put_back(seed, shape):
    x = np.random.default_rng(seed).standard_normal(shape)
    kept = x.copy()
    found = measured(waves, x, slope_of_waves(x))
    assert found.error <= RELATIVE
    assert (found.kinks, found.lines) == (0, found.asked)
    np.testing.assert_array_equal(x, kept)


@given(seed=st.integers(0, 1000), entry=st.integers(0, 1999))
def test_one_wrong_entry_of_many_is_seen_even_if_it_is_not_among_the_samples(seed, entry):
    x = np.random.default_rng(seed).standard_normal(2000)
    gradient = slope_of_waves(x)
    gradient[entry] += 0.01
    assert measured(waves, x, gradient, samples=3).error > RELATIVE


@given(seed=st.integers(0, 1000))
def test_a_single_entry_off_by_a_millionth_is_seen(seed):
    x = np.random.default_rng(seed).standard_normal(6)
    gradient = slope_of_waves(x)
    gradient[int(np.abs(gradient).argmax())] *= 1 + 1e-5
    assert measured(waves, x, gradient).error > RELATIVE


def hinge(x):
    return float(np.maximum(x, 0).sum())


@given(distance=st.floats(1e-7, 9e-6), side=st.sampled_from([-1, 1]))
def test_a_kink_within_the_step_is_no_mistake(distance, side):
    x = np.array([side * distance, 1.0, -1.0])
    found = measured(hinge, x, (x > 0).astype(float))
    assert found.error <= RELATIVE


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
def test_at_a_kink_any_slope_between_the_two_sides_is_left_out(slope):
    found = compare_slope(lambda s: max(s, 0.0), 0.0, slope, None, 1.0, 1e-5)
    assert found.kink


@pytest.mark.parametrize("slope", [-0.1, 1.1, 30.0])
def test_a_slope_that_is_neither_nor_between_is_wrong_at_a_kink_too(slope):
    found = compare_slope(lambda s: max(s, 0.0), 0.0, slope, None, 1.0, 1e-5)
    assert not found.kink
    assert found.error > RELATIVE


@given(point=st.floats(-2, 2), off=st.floats(1e-4, 10))
def test_a_mistake_on_a_curved_function_is_not_taken_for_a_kink(point, off):
    def value(s):
        return float(np.exp(3 * (point + s)))

    found = compare_slope(value, value(0.0), 3 * value(0.0) + off * value(0.0), None, value(0.0), 1e-5)
    assert not found.kink
    assert found.error > RELATIVE


def test_a_mistake_as_small_as_the_rounding_of_smaller_steps_is_still_one():
    assert compare_slope(lambda s: 1.0, 1.0, 1e-8, None, 1.0, 1e-5).error > RELATIVE


def test_kinks_are_counted_and_the_rest_is_compared():
    x = np.array([0.0, 1.0, -2.0, 3.0])
    found = measured(hinge, x, (x > 0).astype(float))
    assert found.kinks > 0
    assert 0 not in found.indices
    assert list(found.numeric) == pytest.approx([1, 0, 1], abs=1e-9)


def test_what_is_not_finite_is_wrong():
    x = np.array([1.0, 2.0])
    assert measured(lambda x: float("nan"), x, np.ones(2)).error == np.inf


def test_a_gradient_under_the_rounding_says_so():
    x = np.random.default_rng(0).standard_normal(5)
    assert measured(lambda x: 1 + 1e-12 * float(x.sum()), x, np.full(5, 1e-12)).too_small
    assert not measured(waves, x, slope_of_waves(x)).too_small
    assert not measured(lambda x: 1.0, x, np.zeros(5)).too_small  # 0 is measured: it is 0


def test_without_time_nothing_is_compared_and_what_was_asked_for_is_known():
    x = np.ones(50)
    found = measured(waves, x, slope_of_waves(x), budget=Budget(0.0))
    assert found.lines == 0
    assert found.asked == 24 + 4


class Few(Budget):
    """Time for ten slopes."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    @property
    def spent(self):
        self.asked += 1
        return self.asked > 10


def test_what_was_cut_off_on_the_way_is_not_checked_unless_it_is_wrong_already():
    x = np.ones(50)
    verdict, where = judge_gradient(measured(waves, x, slope_of_waves(x), budget=Few()))
    assert verdict == "not checked"
    assert where.startswith("the time is over: ")
    assert where.endswith(" of 28 slopes")
    assert judge_gradient(measured(waves, x, -slope_of_waves(x), budget=Few()))[0] == "wrong"


@given(size=st.integers(1, 300), zeros=st.floats(0, 1), samples=st.integers(1, 50))
def test_entries_are_chosen_once_with_the_largest_and_with_zeros_among_them(size, zeros, samples):
    rng = np.random.default_rng(size)
    gradient = np.where(rng.random(size) < zeros, 0, rng.standard_normal(size))
    chosen = choose_entries(gradient, samples, rng)
    assert len(set(chosen)) == len(chosen) == min(size, samples)
    nonzero, many = np.count_nonzero(gradient), samples >= 4 and size > samples
    if many and nonzero:
        assert np.abs(gradient).argmax() in chosen
    if many and nonzero < size:
        assert np.any(gradient[chosen] == 0)
    if many:
        assert np.count_nonzero(gradient[chosen]) >= min(nonzero, samples - samples // 4)
