"""Where the modes part in float32: the scales are the page's."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.reference import reference_cross_entropy
from mnist_trainer.analysis.studies import saturation
from mnist_trainer.analysis.studies.saturation_curves import OneHotMode, Textbook, saturated_logits
from mnist_trainer.analysis.studies.saturation_events import (
    GRADIENT_NOT_FINITE,
    GRADIENT_OFF,
    GRADIENT_VANISHED,
    LOSS_NOT_FINITE,
    LOSS_OFF,
    LOSS_STAYS,
    LOSS_ZERO,
    UNDERFLOW,
    SaturationEvent,
)
from mnist_trainer.config import ClippedConfig, LossConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.losses.loss import Loss
from mnist_trainer.registry import losses, register_loss

FUSED, SEPARATE = (SoftmaxCrossEntropyConfig(name, 0.0) for name in ("fused", "separate"))
GALLERY = [
    LossConfig(name)
    for name in ("posted_question", "posted_answer", "diagonal", "double_jacobian", "double_softmax", "sum_for_mean")
]


@pytest.fixture(scope="module")
def found():
    return saturation.study_saturation([FUSED, SEPARATE, *GALLERY])


@pytest.fixture(scope="module")
def when(found):
    """Return where an event happens first, or None."""

    def where(mode, rows, what):
        return next((e.scale for e in found.events if (e.mode, e.rows, e.what) == (mode, rows, what)), None)

    return where


@pytest.fixture(scope="module")
def curve(found):
    return lambda mode, rows: next(one for one in found.curves if (one.mode, one.rows) == (mode, rows))


@pytest.mark.parametrize(("rows", "sign"), [("wrong", 1), ("right", -1)])
@pytest.mark.parametrize("gap", [1, 70, 1e4])
def test_the_gap_is_that_of_the_true_class_to_the_largest_other_and_no_third_one_has_a_larger(rows, sign, gap):
    logits, labels = saturated_logits(gap, rows, 10, seed=0)
    true = logits[labels, labels]
    others = logits[~np.eye(10, dtype=bool)].reshape(10, 9)
    assert others.max(axis=1) - true == pytest.approx(sign * gap * np.ones(10))
    assert (logits.max(axis=1) - logits.min(axis=1)).max() == pytest.approx(gap)


def test_fused_keeps_the_true_loss_and_gradient_of_wrong_rows(when, curve, found):
    fused = curve("fused", "wrong")
    assert [event for event in found.events if (event.mode, event.rows) == ("fused", "wrong")] == []
    assert max(fused.loss_error) < 1e-6
    assert max(fused.gradient_error) < 1e-6
    assert fused.loss[-1] == pytest.approx(1e4)
    assert fused.gradient_at_true[-1] == pytest.approx(-1)


def test_separate_is_capped_at_its_floor_and_still_corrects(when, curve):
    cap = -math.log(1e-30)
    assert when("separate", "wrong", LOSS_STAYS) == pytest.approx(cap, rel=0.01)
    assert when("separate", "wrong", LOSS_OFF) == pytest.approx(cap, rel=0.01)
    assert when("separate", "wrong", UNDERFLOW) == pytest.approx(cap, rel=0.01)
    assert curve("separate", "wrong").loss[-1] == pytest.approx(cap)
    assert when("separate", "wrong", GRADIENT_OFF) is None
    assert curve("separate", "wrong").gradient_at_true[-1] == pytest.approx(-1)


def test_clipped_is_capped_and_teaches_nothing_any_more(when, curve):
    for what in (LOSS_STAYS, LOSS_OFF, GRADIENT_OFF, GRADIENT_VANISHED):
        assert when("clipped", "wrong", what) == pytest.approx(-math.log(1e-7), rel=0.02)
    assert curve("clipped", "wrong").loss[-1] == pytest.approx(-math.log(1e-7), rel=1e-5)
    assert curve("clipped", "wrong").gradient_at_true[-1] == 0


def test_the_textbook_s_loss_is_inf_where_float32_underflows_and_its_gradient_nan_even_before(when, curve):
    assert when("textbook", "wrong", UNDERFLOW) == pytest.approx(87.34, rel=0.005)
    assert when("textbook", "wrong", LOSS_NOT_FINITE) == pytest.approx(103.97, rel=0.005)
    assert math.isinf(curve("textbook", "wrong").loss[-1])
    # one image's 1/p overflows while p is subnormal: at log(largest float32), 88.72
    overflow = math.log(float(np.finfo(np.float32).max))
    assert when("textbook", "wrong", GRADIENT_NOT_FINITE) == pytest.approx(overflow, abs=0.02)
    assert math.isnan(curve("textbook", "wrong").gradient_at_true[-1])


@pytest.mark.parametrize("mode", ["fused", "separate", "textbook"])
def test_right_rows_come_to_nothing_when_the_sum_rounds_to_1(when, mode):
    for what in (LOSS_ZERO, GRADIENT_VANISHED):
        assert when(mode, "right", what) == pytest.approx(math.log(9) - math.log(2**-24), rel=0.01)
    assert 9 < when(mode, "right", LOSS_OFF) < 12


@pytest.mark.parametrize("config", [FUSED, SEPARATE])
@pytest.mark.parametrize(("gap", "sum_is_1"), [(16, False), (18.84, True)])
def test_an_image_s_loss_is_0_where_the_sum_rounds_to_1_and_p_would_not(config, gap, sum_is_1):
    assert (np.float32(1 + 9 * math.exp(-gap)) == 1) == sum_is_1
    assert np.float32(1 / (1 + 9 * math.exp(-gap))) < 1
    mode = LossMode(config, 10, 1, np.float32)
    logits, labels = saturated_logits(gap, "right", 10, 0)
    losses = [mode.forward(z[None].astype(np.float32), label[None]) for z, label in zip(logits, labels, strict=True)]
    assert {loss == 0 for loss in losses} == {sum_is_1}


def test_a_loss_that_is_0_sooner_has_another_reason(found):
    early = SaturationEvent("own", "right", LOSS_ZERO, 5.0, lasts=True)
    told = [one for one in replace(found, events=[early]).sentences() if "comes to 0" in one]
    assert told == [
        "Where it lies above, the mean loss of 10 images, one of each class, first comes to 0 at a gap of 5 (the truth "
        "is 5.9e-02) in own."
    ]


@pytest.mark.parametrize("config", [FUSED, SEPARATE])
def test_at_a_gap_of_20_to_nine_equal_classes_loss_and_gradient_are_0(config):
    mode, logits, labels = LossMode(config, 10, 1, np.float32), np.full((1, 10), -20, np.float32), np.array([0])
    logits[0, 0] = 0
    assert mode.forward(logits, labels) == 0
    assert mode.backward()[0, 0] == 0
    right = reference_cross_entropy(logits.astype(np.float64), labels)
    assert (right.losses[0], right.logits[0, 0]) == pytest.approx((1.855e-8, -1.855e-8), rel=1e-3)


@pytest.mark.parametrize("mode", ["posted_question", "posted_answer", "diagonal", "double_jacobian", "sum_for_mean"])
def test_a_wrong_gradient_is_wrong_from_the_start(when, mode):
    assert when(mode, "wrong", GRADIENT_OFF) == when(mode, "right", GRADIENT_OFF) == 1
    assert when(mode, "wrong", LOSS_OFF) != 1


@pytest.mark.parametrize("mode", ["posted_answer", "homework (rows)"])
def test_a_forward_of_dense_rows_is_inf_for_the_true_class_and_nan_for_any_other_that_underflows(when, curve, mode):
    assert when(mode, "wrong", LOSS_NOT_FINITE) == pytest.approx(103.97, rel=0.005)
    assert curve(mode, "wrong").loss[-1] == math.inf
    assert when(mode, "right", LOSS_NOT_FINITE) == pytest.approx(103.97, rel=0.005)  # 0 · log 0 of another class
    assert math.isnan(curve(mode, "right").loss[-1])


def test_the_homework_s_gradient_never_sees_the_log(when, curve):
    assert when("homework (rows)", "wrong", GRADIENT_OFF) is None
    assert curve("homework (rows)", "wrong").gradient_at_true[-1] == pytest.approx(-1, rel=1e-6)


def test_a_mode_that_cannot_run_breaks_nothing():
    class Broken(Loss):
        def forward(self, predictions, targets):
            raise MistakeError("as posted")

        def backward(self, upstream=1.0):
            raise MistakeError("as posted")

    register_loss("broken")(Broken)
    try:
        found = saturation.study_saturation([LossConfig("broken")])
    finally:
        losses._classes.pop("broken")
    assert {event.scale for event in found.events if event.mode == "broken"} == {1.0}
    assert found.as_markdown()
    assert "broken has no finite loss from the start" in found.sentences()[1]


def test_smoothing_is_left_out_and_what_is_asked_for_is_not_repeated():
    found = saturation.study_saturation([SoftmaxCrossEntropyConfig("fused", 0.1), ClippedConfig("clipped", 1e-3)])
    assert [one.mode for one in found.curves if one.rows == "wrong"] == [
        "fused",
        "clipped",
        "textbook",
        "homework (rows)",
    ]
    assert max(found.curves[0].loss_error) < 1e-6
    stays = [
        event.scale
        for event in found.events
        if (event.mode, event.rows, event.what) == ("clipped", "wrong", LOSS_STAYS)
    ]
    assert stays == [pytest.approx(-math.log(1e-3), abs=0.1)]
    assert "clipped" not in found.beside
    assert "beside the modes: textbook (two nodes, " in found.setting


def test_the_tables_and_the_sentences_say_it(found):
    text = "\n".join(found.as_markdown())
    assert "69.07 (at 69.08)" in text
    cells = {
        row[0]: row[-1]
        for row in ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:18])
        if row
    }
    assert (cells["mode"], cells["fused"], cells["homework (rows)"]) == (UNDERFLOW, "not looked at", "not looked at")
    assert (cells["separate"], cells["textbook"]) == ("69.07", "87.32")
    assert "from the start" in text
    asked, wrong, right, *lost = found.sentences()
    assert (
        "at gaps from 1 to 10,000 between the true class's logit and the largest other one; beside the modes:" in asked
    )
    assert "clipped (p clipped at 1e-07), textbook (two nodes, " in asked
    assert "fused keeps the true loss and gradient up to 10,000, the largest gap tried" in wrong
    assert "separate has its loss capped at 69.08 from 69.07 on and keeps the true gradient up to 10,000" in wrong
    assert "clipped has its loss capped at 16.12 from 16.11 on and teaches nothing from 16.11 on" in wrong
    assert "double_softmax has another loss from the start" in wrong
    assert "homework (rows) has a loss of inf from 104 on and keeps the true gradient up to 10,000" in wrong
    assert "textbook has a gradient of nan from 88.71 on and has a loss of inf from 104 on" in wrong
    assert "the mean loss of 10 images, one of each class, first comes to 0 at a gap of 18.83 " in right
    assert "(the truth is 6.0e-08) in fused, separate, " in right
    assert right.endswith(": there Σe^z, its largest term 1, rounds to 1.")
    assert "is the mean of 10 images, one of each class." in text
    nan = "homework (rows) has a loss of nan from a gap of 104 on, because 0 · log 0 is nan."
    assert f"There, too, where nothing is wrong, {nan}" in lost


@pytest.mark.parametrize("node", [Textbook(), OneHotMode(LossConfig("homework"), 5, 5, np.float64)])
def test_the_nodes_as_posted_are_right_where_nothing_underflows(node):
    base, labels = saturated_logits(1, "wrong", 5, seed=1)
    right = reference_cross_entropy(base, labels)
    assert node.forward(base, labels) == pytest.approx(right.losses.mean(), rel=1e-14)
    assert node.backward() == pytest.approx(right.logits / 5, rel=1e-12)


def test_label_smoothing_that_the_study_leaves_out_is_said(found):
    smooth = saturation.study_saturation([SoftmaxCrossEntropyConfig("fused", 0.1)])
    assert smooth.sentences()[0].startswith("The losses were asked alone, in float32, without label smoothing, at gaps")
    assert "without label smoothing" in smooth.as_markdown()[0]
    told = [*found.sentences(), *found.as_markdown()]
    assert not any("label smoothing" in line for line in told)
