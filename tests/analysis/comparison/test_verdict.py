"""The verdict's sentences, from comparisons made by hand, and what the report says of the same."""

import math
from dataclasses import replace

import pytest

from mnist_trainer.analysis.comparison import verdict
from mnist_trainer.analysis.comparison.markdown import comparison_markdown
from tests.fixtures.comparisons import DOUBLE, FUSED, PAIR, SEPARATE, SINGLE, comparison


def test_exact_modes_are_one_function_with_the_numbers_that_say_so():
    gradients, training = verdict.verdict_sentences(comparison())
    assert gradients == (
        "fused and separate are one function at every batch measured: at the same parameters their gradients with "
        "respect to the logits differ by at most 3.3e-06 in float32 and 8.3e-15 in float64, relatively; ‖Δ‖ kept "
        "within 1e-05·‖g‖ + 1e-07 at all 4,300 updates in float32 and 1e-12·‖g‖ + 1e-15 at all 430 updates looked "
        "at in float64."
    )
    assert training == (
        "Rounding alone lets the parameters drift apart: first after update 1, by more than 0.001 of their norm after "
        "update 232, by 0.54 at the end; test accuracy 98.49% and 98.42%, test loss 0.0459 and 0.0459 "
        "(fused and separate)."
    )


@pytest.mark.parametrize(("rows", "reason"), [(7, "7 rows with the true class at the floor"), (0, "it is rounding")])
def test_a_bound_that_float32_left_is_told_with_what_broke_it(rows, reason):
    single = replace(SINGLE, within=4298, first_outside=4001, worst=1.25, clamped_rows=rows, clamped_rows_outside=rows)
    gradients, training = verdict.verdict_sentences(comparison(replace(PAIR, measured=single)))
    assert training.startswith("The parameters drift" if rows else "Rounding alone lets the parameters drift")
    assert "are one function" in gradients
    assert "at all" not in gradients
    assert "In float32 ‖Δ‖ was larger than 1e-05·‖g‖ + 1e-07 at 2 of 4,300 updates, first at update 4,001" in gradients
    assert reason in gradients


def test_another_gradient_is_called_that_from_the_numbers():
    single = replace(SINGLE, within=0, first_outside=1, logits_largest=0.974, logits_median=0.9)
    double = replace(single, dtype="float64", updates=430)
    pair = replace(PAIR, other="posted_answer", mistakes=("posted_answer",), measured=single, shadow=double)
    other = replace(SEPARATE, mode="posted_answer", exact=False)
    gradients, training = verdict.verdict_sentences(comparison(pair, other))
    assert gradients == (
        "posted_answer does not have the gradient of fused: at the same parameters its dL/dz is off by 0.9 of the norm "
        "(median; at most 0.974), outside 1e-05·‖g‖ + 1e-07 at 4,300 of 4,300 updates, and in float64 at 430 of 430."
    )
    assert training.startswith("The other gradient lets the parameters drift apart")
    assert "test loss" in training
    gradients, training = verdict.verdict_sentences(
        comparison(replace(pair, measured=replace(single, loss_largest=1.5)), other)
    )
    assert gradients.endswith("Their losses at the same parameters are up to 1.5 apart.")
    assert training.endswith("test accuracy 98.49% and 98.42% (fused and posted_answer).")  # not their test losses
    rare = replace(single, within=4290)
    assert (
        "does not always have the gradient"
        in verdict.verdict_sentences(comparison(replace(pair, measured=rare), other))[0]
    )


CLIPPED = replace(PAIR, other="clipped", mistakes=("clipped",))


def test_a_mistake_that_agreed_is_still_called_one_and_rounding_is_not_the_cause():
    gradients, training = verdict.verdict_sentences(comparison(CLIPPED, replace(SEPARATE, mode="clipped", exact=False)))
    assert gradients.startswith(
        "fused and clipped had the same gradient at every batch measured here, though clipped is a mistake: at the same"
    )
    assert "one function" not in gradients
    assert training.startswith("The parameters drift apart: ")


def test_a_mistake_that_left_the_bound_of_float32_alone_has_another_gradient():
    """Float64 is asked now and then, so that it may have missed the updates."""
    found = replace(CLIPPED, measured=replace(SINGLE, within=4298, first_outside=50))
    gradients, training = verdict.verdict_sentences(comparison(found, replace(SEPARATE, mode="clipped", exact=False)))
    assert gradients.startswith("clipped does not always have the gradient of fused: at the same parameters its")
    assert gradients.endswith("outside 1e-05·‖g‖ + 1e-07 at 2 of 4,300 updates, and in float64 at 0 of 430.")
    assert training.startswith("The other gradient lets the parameters drift apart")


def test_a_difference_that_float64_alone_shows_is_told_with_its_numbers_and_causes_no_drift():
    shadow = replace(DOUBLE, within=421, first_outside=1, logits_largest=2.5e-9)
    gradients, training = verdict.verdict_sentences(
        comparison(replace(CLIPPED, shadow=shadow), replace(SEPARATE, mode="clipped"))
    )
    assert gradients == (
        "clipped does not always have the gradient of fused: in float64, at the same parameters, its dL/dz is off by "
        "up to 2.5e-09 of the norm, outside 1e-12·‖g‖ + 1e-15 at 9 of 430 updates; in float32 it kept within "
        "1e-05·‖g‖ + 1e-07 at all 4,300 updates."
    )
    assert training.startswith("The parameters drift apart: ")


def test_exact_modes_whose_losses_part_have_the_same_gradient_and_what_caps_a_loss_is_named():
    single = replace(SINGLE, loss_largest=677.0, clamped_rows_of_first=1)
    first, other = replace(FUSED, mode="separate", clamped_rows=1), replace(SEPARATE, mode="fused")
    pair = replace(PAIR, first="separate", other="fused", measured=single)
    gradients, training, capped = verdict.verdict_sentences(comparison(pair, other, first))
    assert gradients.startswith("separate and fused have the same gradient at every batch measured: at the same")
    assert gradients.endswith(
        " Their losses at the same parameters are up to 677 apart: a floor under the probabilities caps that of "
        "separate in 1 row."
    )
    assert "test loss" not in training
    assert capped == "Trained with separate, 1 row of the batches had the loss capped."
    markdown = comparison_markdown({}, "", comparison(pair, other, first), [])
    assert "not the same as that of separate in fused. There the losses can't tell which trained better." in markdown
    assert "Each loss is its mode's own" not in comparison_markdown({}, "", comparison(), [])
    lost = replace(pair, measured=replace(single, loss_largest=math.nan))
    assert "not always finite" in verdict.verdict_sentences(comparison(lost, other, first))[0]


def test_one_of_something_is_singular():
    one = replace(SEPARATE, updates=1, failure="diverged", result=None)
    content = comparison(PAIR, one)
    assert "separate dropped out after 1 update: diverged" in verdict.verdict_sentences(content)
    told = verdict.gradients_verdict(replace(PAIR, shadow=replace(DOUBLE, updates=1, within=1)))
    assert told.endswith("1e-15 at the one update looked at in float64.")
    told = verdict.gradients_verdict(replace(PAIR, shadow=replace(DOUBLE, updates=4300, within=4300)))
    assert told.endswith("1e-15 at all 4,300 updates in float64.")
    assert "separate dropped out after 1 update: diverged" in comparison_markdown({}, "", content, [])


def test_parameters_that_are_no_longer_finite_are_told_without_a_number():
    lost = replace(PAIR, drift_end=math.nan, drift_largest=math.nan)
    assert "after update 232, then without bound; test" in verdict.verdict_sentences(comparison(lost))[1]


def test_equal_to_the_last_bit_is_said():
    same = replace(PAIR, parameters_differ=None, parameters_differ_much=None, drift_end=0.0)
    assert "have the same parameters to the last bit; test" in verdict.verdict_sentences(comparison(same))[1]


def test_a_mode_that_dropped_out_is_told_with_the_reason_and_needs_no_result():
    lost = replace(SEPARATE, updates=3, failure="diverged: the loss is nan", result=None)
    content = comparison(replace(PAIR, measured=replace(SINGLE, updates=3, within=3)), lost)
    *_, last = said = verdict.verdict_sentences(content)
    assert last == "separate dropped out after 3 updates: diverged: the loss is nan"
    markdown = comparison_markdown({}, "", content, said)
    assert "| separate | dropped out |" in markdown
    nothing = replace(SINGLE, updates=0, within=0)
    content = comparison(replace(PAIR, measured=nothing, shadow=nothing), lost)
    assert verdict.verdict_sentences(content) == [last]
    assert "Nothing was measured" in comparison_markdown({}, "", content, [last])
