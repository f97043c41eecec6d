"""Student's interval of a mean, of differences and of ratios."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.sweeps.estimate import estimate, estimate_ratio


def test_the_interval_is_the_textbooks():
    """Gosset's ten patients (Student, 1908): hours of sleep that one drug gave more than the other."""
    sleep = estimate([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert sleep.mean == pytest.approx(1.58)
    assert sleep.deviation == pytest.approx(1.2300, abs=5e-5)
    assert (sleep.low, sleep.high) == pytest.approx((0.7001, 2.4599), abs=5e-5)
    assert sleep.verdict == "more"


@given(st.integers(2, 12), st.integers(0, 1000), st.floats(0.1, 10))
def test_moving_or_stretching_the_values_does_so_to_the_interval(count, seed, scale):
    values = np.random.default_rng(seed).standard_normal(count)
    one, other = estimate(list(values)), estimate(list(3 - scale * values))
    assert (other.low, other.high) == pytest.approx((3 - scale * one.high, 3 - scale * one.low))
    assert one.low < one.mean < one.high


def test_the_interval_holds_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).standard_normal((1000, 4)) + 5
    found = [estimate(list(draw)) for draw in draws]
    held = sum(each.low <= 5 <= each.high for each in found)
    assert 930 <= held <= 970  # ± 3 standard deviations of the binomial; with z = 1.96 it would be 850


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([], "none"),
        ([1.0], "single"),
        ([0.0], "single"),
        ([0.0, 0.0], "equal"),
        ([0.5, 0.5 + 1e-16], "constant"),
        ([0.1, 0.3], "unclear"),
        ([-0.10, -0.11, -0.12], "less"),
        ([0.10, 0.11, 0.12], "more"),
    ],
)
def test_what_can_be_said_depends_on_the_values(values, verdict):
    found = estimate(values)
    assert found.verdict == verdict
    assert (found.low is None) == (verdict in ("none", "single", "equal", "constant"))


@given(st.integers(2, 8), st.integers(0, 1000))
def test_a_ratio_and_its_inverse_tell_the_same_and_stay_above_0(count, seed):
    ratios = np.exp(np.random.default_rng(seed).standard_normal(count))
    one, other = estimate_ratio(list(ratios)), estimate_ratio(list(1 / ratios))
    assert 0 < one.low < one.mean < one.high
    assert (other.low, other.mean, other.high) == pytest.approx((1 / one.high, 1 / one.mean, 1 / one.low))
    assert other.deviation == pytest.approx(one.deviation)
    assert {one.verdict, other.verdict} in ({"unclear"}, {"less", "more"})


def test_two_ratios_far_apart_have_the_interval_of_their_logarithms():
    found = estimate_ratio([0.5, 1.5])  # their own mean's interval begins at −5.4
    assert (found.mean, found.deviation) == pytest.approx((math.sqrt(0.75), math.exp(math.log(3) / math.sqrt(2))))
    assert found.low == pytest.approx(math.sqrt(0.75) / math.exp(12.7062 * math.log(3) / 2), rel=1e-4)


@pytest.mark.parametrize(
    ("ratios", "verdict"), [([], "none"), ([1.1], "single"), ([1, 1], "equal"), ([2, 2], "constant")]
)
def test_ratios_without_spread_have_no_interval(ratios, verdict):
    found = estimate_ratio(ratios)
    assert (found.verdict, found.low) == (verdict, None)
    assert found.mean == (ratios[0] if ratios else None)
