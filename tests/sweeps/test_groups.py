"""Jobs that differ in the seed alone, as a group."""

import math

import pytest

from mnist_trainer.sweeps.groups import mean_and_deviation, summarize


def test_mean_and_sample_deviation_are_the_textbooks():
    assert mean_and_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx((5, math.sqrt(32 / 7)))
    mean, deviation = mean_and_deviation([0.5])
    assert mean == 0.5
    assert math.isnan(deviation)


def test_data_sets_are_not_averaged_with_one_another(sweep, outcome):
    found = summarize(sweep(outcome(0.9), outcome(0.8, data="digits"), outcome(0.7, data="digits")))
    assert [(summary.data, summary.jobs) for summary in found] == [("mnist", 1), ("digits", 2)]
    assert found[0].test_accuracy[0] == 0.9
