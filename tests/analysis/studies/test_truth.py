"""What is said of a loss at growing logits is true of it, whatever it does from which gap on."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist_trainer.analysis.reference import reference_cross_entropy
from mnist_trainer.analysis.studies.saturation import Saturation
from mnist_trainer.analysis.studies.saturation_curves import KINDS, saturated_logits, saturation_curve
from mnist_trainer.analysis.studies.saturation_events import saturation_events

CLASSES = 3
SCALES = np.geomspace(1, 1e4, 61)
LOSSES = {"true": None, "capped": None, "inf": math.inf, "nan": math.nan}
GRADIENTS = {"true": 1.0, "none": 0.0, "half": 0.5, "nan": math.nan}


class Breaking:
    """A loss whose value and gradient are right, but from a gap on; `back` is where they are right again."""

    name = "own"
    loss = SimpleNamespace(expects="logits")

    def __init__(self, loss, loss_from, gradient, gradient_from, back):
        self.kind, self.loss_from = loss, loss_from
        self.factor, self.gradient_from, self.back = GRADIENTS[gradient], gradient_from, back

    def forward(self, logits, labels):
        self.gap = np.delete(logits[0], labels[0]).max() - logits[0, labels[0]]
        self.truth = reference_cross_entropy(logits.astype(np.float64), labels)
        loss = float(self.truth.losses.mean())
        if self.kind == "true" or not self.loss_from <= self.gap < self.back:
            return loss
        return min(loss, self.loss_from) if self.kind == "capped" else LOSSES[self.kind]

    def backward(self):
        broken = self.gradient_from <= self.gap < self.back
        return self.truth.logits / CLASSES * (self.factor if broken else 1.0)


@settings(max_examples=30)
@given(
    st.sampled_from(list(LOSSES)),
    st.floats(3, 3000),
    st.sampled_from(list(GRADIENTS)),
    st.floats(3, 3000),
    st.sampled_from([math.inf, math.inf, 5000.0]),
)
def test_the_fate_of_a_loss_is_told_with_its_gaps(loss, loss_from, gradient, gradient_from, back):
    node = Breaking(loss, loss_from, gradient, gradient_from, back)
    curves = [saturation_curve(node, rows, SCALES, CLASSES, 0) for rows in KINDS]
    events = [event for one in curves for event in saturation_events(node, one, SCALES, CLASSES, 0)]
    asked, told, *_ = Saturation(SCALES.tolist(), curves, events, CLASSES).sentences()
    assert asked.endswith(" between the true class's logit and the largest other one.")
    said = re.sub(r"^Where the true class lies under another one: own |\.$", "", told)
    expected = {
        "has its loss capped at": (loss == "capped" and back == math.inf, loss_from),
        "has a loss of inf": (loss == "inf", loss_from),
        "has a loss of nan": (loss == "nan", loss_from),
        "has a gradient of nan": (gradient == "nan", gradient_from),
        "teaches nothing": (gradient == "none", gradient_from),
    }
    for words, (holds, where) in expected.items():
        found = re.search(rf"{words}(?: [\d.]+)? (from|first at) (\d[\d,]*(?:\.\d+)?)", said)
        assert (found is not None) == holds, (words, said)
        if found:
            assert float(found[2].replace(",", "")) == pytest.approx(where, rel=2e-3)
            assert (found[1] == "from") == (back == math.inf or "capped" in words)
    assert ("keeps the true loss and gradient up to 10,000, the largest gap tried" in said) == (
        loss == gradient == "true"
    )
    assert ("keeps the true gradient up to 10,000" in said) == (gradient == "true" != loss)
    if loss == "true" and gradient == "half":
        off = re.search(r"is off by more than 0.1 % (from|first at) ([\d.]+)", said)
        assert float(off[2]) == pytest.approx(gradient_from, rel=2e-3)
        assert (off[1] == "from") == (back == math.inf)


@given(st.floats(1, 40))
def test_the_true_loss_between_the_gaps(gap):
    curves = [saturation_curve(Breaking("true", 3, "true", 3, math.inf), "right", SCALES, CLASSES, 0)]
    truth = reference_cross_entropy(*saturated_logits(gap, "right", CLASSES, 0)).losses[0]
    assert Saturation(SCALES.tolist(), curves, [], CLASSES).true_loss_of_right_rows(gap) == pytest.approx(
        truth, rel=0.05
    )
