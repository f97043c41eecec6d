"""The verdict's sentences and the report, from comparisons made by hand."""

import json
import math
from dataclasses import replace

import pytest

from mnist_trainer.analysis.comparison import verdict
from mnist_trainer.analysis.comparison.differences import Agreement, Comparison, Outcome, Pair
from mnist_trainer.analysis.comparison.report import Picture, Report, as_json

SINGLE = Agreement("float32", 4300, 4300, None, 0.02, 3.3e-6, 1e-7, 3.7e-6, 1.4e-7, 1.8e-7, 0)
DOUBLE = replace(SINGLE, dtype="float64", updates=430, within=430, logits_largest=8.3e-15)
PAIR = Pair("fused", "separate", SINGLE, DOUBLE, 1, None, 1, 232, 2, 245, 0.54, 0.55)
RESULT = {
    "test_loss": 0.0459,
    "test_accuracy": 0.9849,
    "validation_loss": 0.0388,
    "validation_accuracy": 0.9872,
    "training_seconds": 14.5,
}
FUSED = Outcome("fused", True, 4300, 0, None, RESULT)
SEPARATE = Outcome("separate", True, 4300, 0, None, RESULT | {"test_accuracy": 0.9842})


def comparison(pair=PAIR, other=SEPARATE, first=FUSED):
    return Comparison(4300, 235146, [first, other], [pair], {"steps": [1, 2]})


def test_exact_modes_are_one_function_with_the_numbers_that_say_so():
    gradients, training = verdict.sentences(comparison())
    assert gradients == (
        "fused and separate are one function: at the same parameters their gradients with respect to the logits differ "
        "by at most 3.3e-06 in float32 and 8.3e-15 in float64, relatively; ‖Δ‖ kept within 1e-05·‖g‖ + 1e-07 at all "
        "4,300 updates in float32 and 1e-12·‖g‖ + 1e-15 at all 430 updates in float64."
    )
    assert training == (
        "Rounding alone lets the parameters drift apart: first after update 1, by more than 0.001 of their norm after "
        "update 232, by 0.54 at the end; test accuracy 98.49% and 98.42%, test loss 0.0459 and 0.0459 "
        "(fused and separate)."
    )


@pytest.mark.parametrize(("rows", "reason"), [(7, "7 rows with the true class at the floor"), (0, "it is rounding")])
def test_a_bound_that_float32_left_is_told_with_what_broke_it(rows, reason):
    single = replace(SINGLE, within=4298, first_outside=4001, worst=1.25, clamped_rows=rows)
    gradients, _ = verdict.sentences(comparison(replace(PAIR, measured=single)))
    assert "are one function" in gradients
    assert "at all" not in gradients
    assert "In float32 ‖Δ‖ was larger than 1e-05·‖g‖ + 1e-07 at 2 of 4,300 updates, first at update 4001" in gradients
    assert reason in gradients


def test_another_gradient_is_called_that_from_the_numbers():
    single = replace(SINGLE, within=0, first_outside=1, logits_largest=0.974, logits_median=0.9)
    double = replace(single, dtype="float64", updates=430)
    pair = replace(PAIR, other="posted_answer", measured=single, shadow=double)
    other = replace(SEPARATE, mode="posted_answer", exact=False)
    gradients, training = verdict.sentences(comparison(pair, other))
    assert gradients == (
        "posted_answer does not have the gradient of fused: at the same parameters its dL/dz is off by 0.9 of the norm "
        "(median; at most 0.974), outside 1e-05·‖g‖ + 1e-07 at 4,300 of 4,300 updates, and in float64 at 430 of 430."
    )
    assert training.startswith("Training with posted_answer lets the parameters drift apart")
    told = verdict.sentences(comparison(replace(pair, measured=replace(single, loss_largest=1.5)), other))[0]
    assert told.endswith("Its loss is another one, too: up to 1.5 apart at the same parameters.")
    rare = replace(single, within=4290)
    assert "does not always have the gradient" in verdict.sentences(comparison(replace(pair, measured=rare), other))[0]


def test_parameters_that_are_no_longer_finite_are_told_without_a_number():
    lost = replace(PAIR, drift_end=math.nan, drift_largest=math.nan)
    assert "after update 232, then without bound; test" in verdict.sentences(comparison(lost))[1]


def test_equal_to_the_last_bit_is_said():
    same = replace(PAIR, parameters_differ=None, parameters_differ_much=None, drift_end=0.0)
    assert "have the same parameters to the last bit; test" in verdict.sentences(comparison(same))[1]


def test_a_mode_that_dropped_out_is_told_with_the_reason_and_needs_no_result():
    lost = replace(SEPARATE, updates=3, failure="diverged: the loss is nan", result=None)
    content = comparison(replace(PAIR, measured=replace(SINGLE, updates=3, within=3)), lost)
    *_, last = said = verdict.sentences(content)
    assert last == "separate dropped out after 3 updates: diverged: the loss is nan"
    markdown = Report({}, "", content, said).as_markdown()
    assert "| separate | dropped out |" in markdown
    nothing = replace(SINGLE, updates=0, within=0)
    content = comparison(replace(PAIR, measured=nothing, shadow=nothing), lost)
    assert verdict.sentences(content) == [last]
    assert "Nothing was measured" in Report({}, "", content, [last]).as_markdown()


def test_the_tables_have_a_cell_for_every_column_and_pictures_stand_in_their_sections():
    pictures = {"Training": [Picture("curves.png", "Curves")], "Timing": [Picture("timing.png", "Times")]}
    report = Report(
        {"system": "a|b"}, "0  Linear", comparison(), ["one.", "two."], ["saturation's own"], ["timing's own"], pictures
    )
    markdown = report.as_markdown()
    sections = markdown.split("\n## ")
    assert sections[0] == "# fused and separate, in lockstep\n"
    assert [section.partition("\n")[0] for section in sections[1:]] == [
        *("Verdict", "Setting", "Training", "Gradients", "Saturation", "Timing")
    ]
    assert "- one.\n- two.\n" in sections[1]
    assert "![Curves](curves.png)" in sections[3]
    assert "![Times](timing.png)" in sections[6]
    for block in markdown.replace("\\|", "/").split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
    assert "| ‖Δθ‖ / ‖θ‖ at the end " in markdown
    assert "Timing" not in Report({}, "", comparison(), []).as_markdown()


def test_the_json_is_valid_whatever_the_numbers():
    text = as_json({"nan": math.nan, "list": (math.inf, -math.inf, 1.5), "deep": {1: [math.nan]}, "none": None})
    assert json.loads(text, parse_constant=pytest.fail) == {
        "nan": None,
        "list": ["inf", "-inf", 1.5],
        "deep": {"1": [None]},
        "none": None,
    }
