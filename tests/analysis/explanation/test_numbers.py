"""Every number of the explanation against formulas written down here again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.analysis.explanation import numbers as explanation
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import Subject


def explained(logits, label, *, batch=5):
    logits = np.asarray(logits, np.float64)
    names = [str(i) for i in range(len(logits))]
    subject = Subject(logits, label, names, np.zeros((4, 4), np.uint8), 0, "mnist", "", "")
    rng = np.random.default_rng(len(logits))
    return explain_gradient(
        subject, 3 * rng.standard_normal((batch, len(logits))), rng.integers(len(logits), size=batch)
    )


@st.composite
def cases(draw):
    classes = draw(st.integers(2, 30))
    logits = np.random.default_rng(draw(st.integers(0, 1000))).standard_normal(classes) * draw(
        st.sampled_from([0.1, 3, 10])
    )
    return logits, draw(st.integers(0, classes - 1))


@given(cases())
def test_each_number_is_what_its_name_says(case):
    z, y = case
    e = explained(z, y)
    p = np.exp(z) / np.exp(z).sum()
    t = np.eye(len(z))[y]
    np.testing.assert_allclose(e.p, p, rtol=1e-12)
    np.testing.assert_allclose([e.loss, e.fused_loss], -np.log(p[y]), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(e.dp, -t / p, rtol=1e-12)
    J = np.array([[p[i] * ((i == j) - p[j]) for j in range(len(z))] for i in range(len(z))])  # noqa: N806
    np.testing.assert_allclose(e.jacobian, J, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(e.numeric_jacobian, J, atol=1e-9)
    for gradient in (e.product, e.shortcut, e.fused, e.p_minus_t):
        np.testing.assert_allclose(gradient, p - t, rtol=1e-9, atol=2e-15)
    np.testing.assert_allclose(e.numeric, p - t, atol=1e-9)
    np.testing.assert_allclose(e.posted, (p - t) * p * (1 - p), rtol=1e-9, atol=2e-15)
    np.testing.assert_allclose(e.diagonal, np.where(t == 1, p - 1, 0), rtol=1e-9, atol=2e-15)


def test_the_winner_and_the_rival():
    assert (explained([1, 3, 2], 1).predicted, explained([1, 3, 2], 1).rival) == (1, 2)
    assert (explained([1, 3, 2], 0).predicted, explained([1, 3, 2], 0).rival) == (1, 1)


@pytest.mark.parametrize(("batch", "runs"), [(1, True), (4, True), (7, False)])
def test_the_batch_and_the_question_s_own_node(batch, runs):
    b = explained([0.5, -1, 2, 0], 2, batch=batch).batch
    assert (b.images, b.classes) == (batch, 4)
    assert max(b.difference, b.fused_difference) < 1e-15
    assert (b.question_error is None) == runs
    assert (b.question_difference or 0) > 0.01 or not runs


def test_a_surer_mistake_gets_a_smaller_posted_gradient():
    for row in explained([9, -2, 3], 0).saturation:
        assert row.right == pytest.approx(row.p_true - 1)
        assert row.posted == pytest.approx((row.p_true - 1) * row.p_true * (1 - row.p_true))


def test_a_wrong_softmax_would_be_seen(monkeypatch):
    """A broken node must show in the differences, or they say nothing."""
    right = explanation.logits_gradient
    monkeypatch.setattr(explanation, "logits_gradient", lambda *arguments: 1.001 * right(*arguments))
    e = explained([1, 2, 3], 0)
    assert explanation.largest_error(e.product, e.shortcut) > 1e-4
    assert e.batch.difference > 1e-5
