"""What is said of wrong gradients is true of the numbers, whatever they are; and no number is long."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnist_trainer.analysis.gradcheck.diagnosis import LayerCase, explain_in_general, explain_layer
from mnist_trainer.analysis.gradcheck.differences import Measured
from mnist_trainer.analysis.gradcheck.loss_diagnosis import LossCase, explain_cap, explain_forward, explain_loss
from mnist_trainer.analysis.reference import reference_softmax

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e300, 1e300)
TRUTHS = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(2, 6)), elements=st.floats(-1e6, 1e6))
CHANGES = {
    "none": lambda g, k: g,
    "scaled": lambda g, k: k * g,
    "sign": lambda g, k: -g,
    "N times": lambda g, k: len(g) * g,
    "N less": lambda g, k: g / len(g),
    "zero": lambda g, k: 0 * g,
    "zero in places": lambda g, k: np.where(np.arange(g.size).reshape(g.shape) % 2, 0, g),
    "other": lambda g, k: g + k,
    "nan": lambda g, k: g * np.nan,
    "transposed": lambda g, k: g.T if g.shape[0] == g.shape[1] else g + k,
}


def short(words):
    """No number of more than 12 characters."""
    return all(len(one) <= 12 for one in re.findall(r"[−-]?\d[\d.,]*(?:e[+-]?\d+)?", words))


def measured_of(found, truth):
    indices = np.arange(truth.size)
    flat = np.abs(found - truth).reshape(-1)
    at = 0 if np.isnan(flat).all() else int(np.nanargmax(flat))
    entry = tuple(int(i) for i in np.unravel_index(at, truth.shape))
    worst = entry, float(found.reshape(-1)[at]), float(truth.reshape(-1)[at])
    return Measured(found, indices, truth.reshape(-1).copy(), 1.0, worst, truth.size, 0, truth.size, too_small=False)


def close(one, other, within=1e-5):
    with np.errstate(all="ignore"):
        return np.linalg.norm(one - other) <= within * np.linalg.norm(other)


def claims(words, found, truth):
    """Whether the sentence is true, by numbers of its own."""
    n = len(truth)
    if "is not finite" in words:
        return not np.isfinite(found).all()
    if "is 0 everywhere" in words:
        return not found.any()
    if "has the wrong sign" in words:
        return close(found, -truth)
    if "N times too large" in words:
        return f"(N = {n})" in words and close(found, n * truth)
    if "N times too small" in words:
        return f"(N = {n})" in words and close(n * found, truth)
    if factor := re.search(r"is (\S+) times the derivative", words):
        return close(found, float(factor[1]) * truth, within=1e-4) or abs(float(factor[1])) < 1e-300
    if "is the transpose" in words:
        return close(found.T, truth)
    if count := re.search(r"is 0 in places where it should not be \((\d+) of (\d+)", words):
        zeros = found == 0
        return np.count_nonzero(zeros & (truth != 0)) >= int(count[1]) > 0 and close(found[~zeros], truth[~zeros])
    if "passed through unchanged" in words:
        return True  # asked by its own test
    assert "is not the derivative" in words, words
    return not np.array_equal(found, truth)


@given(
    TRUTHS, st.sampled_from(sorted(set(CHANGES) - {"none"})), st.floats(-1e5, 1e5), st.sampled_from(["loss", "layer"])
)
def test_what_is_said_of_any_wrong_gradient_is_true(truth, how, k, kind):
    with np.errstate(all="ignore"):
        found = CHANGES[how](truth, k)
    if np.array_equal(found, truth):
        return
    words = explain_in_general(measured_of(found, truth), len(truth), kind)
    assert claims(words, found, truth), words
    assert short(words), words


@given(TRUTHS, st.sampled_from(sorted(CHANGES)), st.floats(-100, 100))
def test_a_softmaxs_known_mistake_is_only_named_where_the_numbers_are_its_own(z, how, k):
    z = np.clip(z, -20, 20)
    p, dp = reference_softmax(z), np.cos(z + 1)
    truth = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    found = CHANGES[how](truth, k)
    if np.array_equal(found, truth):
        return
    words = explain_layer(LayerCase("it", "x", z, p, dp, measured_of(found, truth)))
    assert short(words), words
    if "only the diagonal" in words and "dp is not in it" not in words:
        assert close(found, dp * p * (1 - p))
    if "passes dp through" in words:
        assert close(found, dp)
    if "has the wrong sign" in words:
        assert close(found, -truth)


LOSSES = {
    "has the softmax in it already": lambda p, t: (p - t) / len(p),
    "−t/(N p)": lambda p, t: -t / (len(p) * p),
    "diagonal": lambda p, t: p * (1 - p) * (p - t) / len(p),
    "of sums": lambda p, t: p - t,
}


@given(TRUTHS, st.sampled_from(sorted(LOSSES)), st.sampled_from(["logits", "probabilities"]))
def test_a_losss_known_mistake_is_only_named_where_the_numbers_are_its_own(z, how, expects):
    z = np.clip(z, -20, 20)
    p, t = reference_softmax(z), np.eye(z.shape[1])[np.arange(len(z)) % z.shape[1]]
    truth = (p - t) / len(p) if expects == "logits" else -t / (len(p) * p)
    found = LOSSES[how](p, t)
    if close(found, truth):
        return
    case = LossCase(
        "it", "predictions", "backward", expects, z if expects == "logits" else p, t, measured_of(found, truth)
    )
    words = explain_loss(case)
    assert short(words), words
    if "with respect to the logits, with the softmax in it already" in words:
        assert expects == "probabilities"
        assert close(found, (p - t) / len(p))
    if "inside this loss, is missing" in words:
        assert expects == "logits"
        assert close(found, -t / (len(p) * p))
    if "the softmax's Jacobian only the diagonal" in words:
        assert expects == "logits"
        assert close(found, p * (1 - p) * (p - t) / len(p)) or close(found, p * (1 - p) * -t / (len(p) * p))


@given(ANY, ANY, ANY, st.integers(1, 2000))
def test_what_is_said_of_a_forward_is_true(loss, right, doubled, n):
    words = explain_forward(loss, right, doubled, n)
    if words is None:
        return
    assert short(words)
    if "applied twice" in words:
        assert loss == pytest.approx(doubled, rel=1e-5)
    elif "N times" in words:
        assert loss == pytest.approx(n * right, rel=1e-5)
    else:
        assert loss == pytest.approx(-right, rel=1e-5)


@given(st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0, 1e300), st.booleans())
def test_what_is_said_of_a_cap_is_true(loss, larger, gradient, same):
    words = explain_cap(loss, loss if same else larger, gradient)
    if words is None:
        return
    assert short(words), words
    assert same or loss == pytest.approx(larger, rel=1e-5)
    assert ("teach nothing" in words) == (gradient <= 1e-3)


def test_measured_numbers_are_short_at_all_sizes():
    truth = np.array([[-1.23456789e-105, 1.0e300]])
    words = explain_in_general(measured_of(np.array([[-9.87654321e-200, -1e299]]), truth), 1, "loss")
    assert short(words), words
    assert replace(measured_of(truth, truth), error=0.0).error == 0
