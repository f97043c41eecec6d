"""Pairs of jobs that differ in the loss alone, and the interval of their mean difference."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.sweeps.pairs import as_metrics, as_records, compare_modes, estimate, estimate_ratio


def modes(jobs):
    return [(each.mode, each.reference, each.setting, each.seeds) for each in compare_modes(jobs)]


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


def test_pairs_are_of_the_same_seed_whatever_the_order_of_the_jobs(job):
    jobs = [job("separate", 1, 0.5), job("fused", 0, 0.1), job("separate", 0, 0.3), job("fused", 1, 0.4)]
    (found,) = compare_modes(jobs)
    assert (found.mode, found.reference, found.seeds, found.left_out) == ("separate", "fused", (0, 1), 0)
    assert found.test_accuracy.values == pytest.approx((0.2, 0.1))


def test_fused_is_the_reference_or_else_the_first_mode_with_a_result(job):
    assert modes([job("b", 0, 0.5), job("fused", 0, 0.5)]) == [("b", "fused", "", (0,))]
    assert modes([job("b", 0, 0.5), job("a", 0, 0.5)]) == [("a", "b", "", (0,))]
    assert modes([job("fused", 0), job("b", 0, 0.5), job("a", 0, 0.5)])[1] == ("a", "b", "", (0,))
    assert modes([job("fused", 0), job("b", 0)]) == []


def test_jobs_that_differ_in_more_than_the_loss_are_no_pair(job):
    other_rate = [job("fused", 0, 0.5, "optimizer.lr=0.1"), job("separate", 0, 0.5, "optimizer.lr=0.2")]
    assert [found.pairs for found in compare_modes(other_rate)] == [0]
    other_data = [job("fused", 0, 0.5), job("separate", 0, 0.5, data="digits")]  # data=auto, offline half way
    assert [(found.pairs, found.left_out) for found in compare_modes(other_data)] == [(0, 1)]


def test_a_failed_job_is_known_by_the_choice_that_finished_ones_name(job):
    answer = {"choice": "mistakes/posted_answer"}
    jobs = [job("fused", seed, 0.9) for seed in (0, 1)]
    jobs += [job("posted_answer", 0, 0.8, **answer), job("posted_answer", 1, **answer)]
    (found,) = compare_modes(jobs)
    assert (found.mode, found.seeds, found.left_out) == ("posted_answer", (0,), 1)


def test_the_ratio_of_times_is_told_apart_from_1(job):
    jobs = [job("fused", seed, 0.9, training_seconds=10.0 + seed) for seed in range(3)]
    jobs += [job("separate", seed, 0.9, training_seconds=(1.1 + seed / 100) * (10 + seed)) for seed in range(3)]
    (found,) = compare_modes(jobs)
    assert found.training_seconds.mean == pytest.approx((1.10 * 1.11 * 1.12) ** (1 / 3))
    assert found.training_seconds.verdict == "more"


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


def test_records_and_metrics_hold_what_is_known_and_no_nan(job):
    jobs = [job("fused", 0, 0.90), job("separate", 0, 0.92)]
    records = as_records(compare_modes(jobs))
    assert json.loads(json.dumps(records, allow_nan=False))[0]["test_accuracy"]["low"] is None
    metrics = as_metrics(compare_modes(jobs))
    assert metrics["paired/separate/test_accuracy/mean"] == pytest.approx(0.02)
    assert "paired/separate/test_accuracy/low" not in metrics
    metrics = as_metrics(compare_modes([*jobs, job("fused", 1, 0.9), job("separate", 1, 0.9)]))
    assert metrics["paired/separate/pairs"] == 2
    half = 12.7062 * 0.01  # t of 1 degree of freedom, times s / √2
    ends = [metrics[f"paired/separate/test_accuracy/{end}"] for end in ("low", "high")]
    assert ends == pytest.approx([0.01 - half, 0.01 + half], abs=1e-6)
    assert all(map(math.isfinite, metrics.values()))


def test_a_setting_s_metrics_have_a_name_that_mlflow_takes(job):
    settings = ("model.hidden=[8]", "model.hidden=[16]")
    jobs = [job(loss, 0, 0.9, setting) for loss in ("fused", "separate") for setting in settings]
    names = {name.rpartition("/test_loss")[0] for name in as_metrics(compare_modes(jobs)) if "/test_loss/mean" in name}
    assert names == {"paired/separate/model.hidden:_8_", "paired/separate/model.hidden:_16_"}
