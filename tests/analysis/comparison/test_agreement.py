"""How far gradients agree, from differences made by hand."""

import math

import pytest

from mnist_trainer.analysis.comparison.agreement import agreement, largest_disagreement
from mnist_trainer.analysis.comparison.copies import ModeDifference, relative_distance


def difference(logits=0.0, logits_norm=1.0, parameters=0.0, loss=0.0, clamped_rows=0, of_first=0):
    return ModeDifference(loss, logits, logits_norm, parameters, 2.0, logits != 0, clamped_rows, of_first)


def test_an_agreement_counts_the_updates_within_the_bound_and_tells_the_first_outside():
    found = {
        1: difference(9e-6, clamped_rows=7),
        11: difference(1.02e-5, clamped_rows=3, of_first=1),
        21: difference(1.5e-7, logits_norm=0.0, clamped_rows=2),
        31: difference(2e-8, logits_norm=1e-9, loss=-0.5),
    }
    told = agreement(found, "float32")
    assert (told.updates, told.within, told.first_outside) == (4, 2, 11)
    assert (told.clamped_rows, told.clamped_rows_of_first, told.clamped_rows_outside) == (12, 1, 6)
    assert not told.holds
    assert told.worst == pytest.approx(1.5)
    assert told.loss_largest == 0.5
    assert told.logits_largest == pytest.approx(1.02e-5)  # a gradient that has vanished is not divided by
    assert told.logits_median == pytest.approx((9e-6 + 1.02e-5) / 2)


def test_the_bound_of_float64_is_tighter():
    found = {1: difference(2e-12)}
    assert agreement(found, "float32").holds
    assert not agreement(found, "float64").holds
    assert agreement({1: difference(0.9e-12)}, "float64").holds


def test_what_is_not_a_number_is_outside_every_bound():
    told = agreement({1: difference(1e-9), 2: difference(math.nan), 3: difference(1e-9)}, "float32")
    assert (told.within, told.first_outside) == (2, 2)
    assert math.isnan(told.worst)
    assert math.isnan(told.logits_largest)


def test_nothing_measured_holds_nothing():
    told = agreement({}, "float64")
    assert (told.updates, told.holds, told.first_outside) == (0, False, None)
    assert math.isnan(told.logits_largest)


def test_relative_and_largest_at_their_edges():
    assert (relative_distance(1.0, 4.0), relative_distance(0.0, 0.0), relative_distance(1.0, 0.0)) == (
        0.25,
        0.0,
        math.inf,
    )
    assert largest_disagreement([1.0, 3.0, 2.0]) == 3.0
    assert math.isnan(largest_disagreement([1.0, math.nan, math.inf]))
    assert math.isnan(largest_disagreement([]))
