"""Pairs of jobs that differ in the loss alone, and what is told of them."""

import json
import math
from dataclasses import asdict

import pytest

from mnist_trainer.sweeps.pairs import as_metrics, compare_modes


def modes(jobs):
    return [(each.mode, each.reference, each.setting, each.seeds) for each in compare_modes(jobs)]


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


def test_records_and_metrics_hold_what_is_known_and_no_nan(job):
    jobs = [job("fused", 0, 0.90), job("separate", 0, 0.92)]
    records = [asdict(each) for each in compare_modes(jobs)]
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
