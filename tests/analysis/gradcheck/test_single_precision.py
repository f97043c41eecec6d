"""Where float32 ends, in words that are true of the numbers."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.analysis.gradcheck import single_precision
from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.config import LossConfig, SoftmaxCrossEntropyConfig

CLASSES = 10


def notes_of(config):
    mode = LossMode(config, CLASSES, 1, np.float32)
    return single_precision.notes("it", lambda z, t: (mode.forward(z, t), mode.backward()), CLASSES, Budget())


@pytest.mark.parametrize("name", ["fused", "separate"])
def test_the_shipped_modes_have_no_such_end(name):
    assert notes_of(SoftmaxCrossEntropyConfig(name, 0.0)) == []


def test_the_homework_is_inf_from_a_gap_of_104_on_and_nan_with_dense_rows():
    wrong, dense, right, finite = notes_of(LossConfig("homework"))
    assert "the loss is inf from a gap of 104 on between a true class and the largest one above it" in wrong
    assert "with class indices, where a probability underflows" in wrong
    assert "with one-hot rows" in dense
    assert "the loss is nan from a gap of 104 on between a true class that is the largest and another one" in right
    assert "its gradient is finite at all gaps tried, 16 to 1,000" in finite


def test_the_textbooks_two_nodes_lose_the_gradient_before_the_loss():
    def ask(z, t):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        dp = np.zeros_like(p)
        dp[:, t] = -1 / p[:, t]
        return -np.log(p[0, t[0]]), p * (dp - (dp * p).sum(axis=1, keepdims=True))

    told = "\n".join(single_precision.notes("it", ask, CLASSES, Budget(), [single_precision.INDICES]))
    assert re.search(r"the gradient is .*nan from a gap of 89 on", told)
    assert "the loss is inf from a gap of 104 on" in told
    assert "its gradient is finite" not in told


@given(st.integers(16, 1000), st.integers(0, 1000), st.sampled_from([np.inf, -np.inf, np.nan]), st.booleans())
def test_what_is_said_of_any_loss_is_true(first, length, value, of_gradient):
    last = first + length

    def ask(z, t):
        gap = round(abs(float(z[0, 1] - z[0, 0])))
        got = value if first <= gap <= last else 1.0
        return (1.0, np.array([got])) if of_gradient else (got, np.ones(1))

    told = single_precision.notes("it", ask, 3, Budget())
    what = "gradient" if of_gradient else "loss"
    hit = [gap for gap in single_precision.GAPS if first <= gap <= last]
    if not hit:
        assert told == []
        return
    assert len(told) == (2 if of_gradient else 3)
    for sentence in told[:2]:
        assert f"the {what} is {value} " in sentence
        assert f" a gap of {first}" in sentence
        assert ("on between" in sentence) == (last >= single_precision.MOST)
        assert ("underflows" in sentence) == (first == 104)
        assert max(map(len, re.findall(r"[\d.,]+", sentence))) <= 12


def test_what_cannot_run_is_told_elsewhere():
    def ask(z, t):
        raise ValueError

    assert single_precision.notes("it", ask, 3, Budget()) == []
