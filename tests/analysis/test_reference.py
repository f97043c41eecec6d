"""The mathematics that all is held against, itself held against formulas written down again, and against 400 digits."""

import decimal
from decimal import Decimal

import numpy as np
import pytest

from mnist_trainer.analysis.reference import reference_cross_entropy, reference_softmax, reference_softmax_backward
from mnist_trainer.analysis.studies.saturation_curves import KINDS, saturated_logits


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_textbooks_formula_where_that_can_be_computed(smoothing, soft):
    rng = np.random.default_rng(0)
    z, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    given = 1.5 * reference_softmax(rng.standard_normal((6, 4))) if soft else labels
    t = (1 - smoothing) * (given if soft else np.eye(4)[labels]) + smoothing / 4
    right = reference_cross_entropy(z, given, smoothing)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(reference_softmax(z), p, rtol=1e-14)
    np.testing.assert_allclose(right.losses, -np.sum(t * np.log(p), axis=1), rtol=1e-14)
    np.testing.assert_allclose(right.logits, p * t.sum(axis=1, keepdims=True) - t, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(right.targets, -(1 - smoothing) * np.log(p), rtol=1e-13)
    np.testing.assert_allclose(reference_softmax_backward(p, -t / p), right.logits, rtol=1e-13, atol=1e-15)


def exact(z, label):
    """Loss and gradient of a row in 400 digits."""
    with decimal.localcontext(prec=400, Emin=-(10**9), Emax=10**9):
        powers = [Decimal(float(value)).exp() for value in z]
        total = sum(powers)
        gradient = [power / total - (index == label) for index, power in enumerate(powers)]
        return float(-(powers[label] / total).ln()), [float(value) for value in gradient]


@pytest.mark.parametrize("scale", [1.0, 9.0, 17.0, 40.0, 104.0, 700.0])
@pytest.mark.parametrize("rows", KINDS)
def test_it_has_all_the_digits_of_float64_at_any_gap(rows, scale):
    logits, labels = saturated_logits(scale, rows, 4, seed=3)
    logits = logits.astype(np.float32).astype(np.float64)
    right = reference_cross_entropy(logits, labels)
    for row in range(4):
        loss, gradient = exact(logits[row], labels[row])
        assert right.losses[row] == pytest.approx(loss, rel=1e-13)
        assert right.logits[row] == pytest.approx(gradient, rel=1e-13, abs=1e-305)


def test_at_the_widest_gaps_the_distance_is_still_told():
    z = np.array([[0.0, 1000.0, -1e4]])
    assert reference_cross_entropy(z, np.array([0])).losses == pytest.approx([1000.0])
    assert reference_cross_entropy(z, np.array([0])).targets == pytest.approx(np.array([[1000.0, 0.0, 11000.0]]))
