from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.losses.mistakes import SumForMean
from mnist_trainer.training.judgement import RunEnding, judge_run, run_ending

SOUND = RunEnding(
    right=0.98,
    of="validation",
    chance=0.1,
    epochs=10,
    updates=4300,
    best_epoch=9,
    best_right=0.985,
    learning_rate=0.1,
    clipped=True,
    loss="fused",
    exact=True,
)
shares = st.floats(0, 1)


@st.composite
def endings(draw):
    epochs = draw(st.integers(1, 40))
    of = draw(st.sampled_from(["validation", "training"]))
    right = draw(shares)
    best = draw(st.integers(1, epochs)) if of == "validation" else None
    return RunEnding(
        right=right,
        of=of,
        chance=draw(st.floats(0.02, 1)),
        epochs=epochs,
        updates=draw(st.integers(epochs, 100_000)),
        best_epoch=best,
        best_right=0.0 if best is None else right if best == epochs else draw(st.floats(right, 1)),
        learning_rate=draw(st.floats(1e-6, 1e3)),
        clipped=draw(st.booleans()),
        loss=draw(st.sampled_from(["fused", "sum_for_mean", "focal"])),
        exact=draw(st.booleans()),
    )


def test_a_run_that_learned_is_left_in_peace():
    assert judge_run(SOUND) is None


@given(endings())
def test_it_speaks_when_a_tenth_of_the_way_from_chance_is_not_done_or_the_first_epoch_stays_the_best(end):
    near = end.chance < 1 and end.right <= end.chance + (1 - end.chance) / 10
    stuck = end.best_epoch == 1 and end.epochs >= 3
    said = judge_run(end)
    assert (said is not None) == (near or stuck)
    if said is not None:
        assert said.startswith("This run ended near chance:") == near


@given(endings())
def test_every_sentence_is_true_of_the_numbers(end):
    said = judge_run(end) or ""
    assert ("no more than" in said) <= (end.right <= end.chance)
    assert ("hardly more than" in said) <= (end.chance < end.right < end.chance + 0.1)
    assert ("never better than after" in said) <= (end.best_epoch == 1)
    assert ("The last epoch was the best" in said) <= (end.best_epoch == end.epochs)
    assert ("a smaller optimizer.lr" in said) <= (end.best_epoch != end.epochs or end.epochs == 1)
    assert ("trainer.clip_norm=auto" in said) <= (not end.clipped)
    if "trainer.restore_best=true" in said:
        assert end.best_right > end.chance + (1 - end.chance) / 10
        assert end.best_right > end.right
        assert f"After epoch {end.best_epoch} it was {end.best_right:.2%}" in said


@given(endings())
def test_a_loss_that_is_not_exact_is_the_likely_reason_and_an_exact_one_never_is(end):
    said = judge_run(end)
    if said is not None:
        assert ("The likely reason is the loss" in said) == (not end.exact)
        assert (f"{end.loss} is not exact" in said) == (not end.exact)
        assert ("optimizer.lr" in said) == end.exact


@given(endings())
def test_it_has_no_words_that_the_result_s_own_line_is_known_by(end):
    assert "accuracy" not in (judge_run(end) or "")


def test_classes_of_very_unequal_size_have_a_high_chance():
    skewed = replace(SOUND, right=0.95, chance=0.95)
    assert "95.00% of the validation images right, no more than the 95.00% for naming" in judge_run(skewed)
    assert judge_run(replace(SOUND, right=1.0, chance=1.0)) is None


def test_few_updates_are_told():
    assert "more updates than 33" in judge_run(replace(SOUND, right=0.1, best_epoch=2, best_right=0.11, updates=33))


def test_what_it_says_of_a_trainer_is_the_validation_s(tiny):
    trainer = tiny.trainer(epochs=3, learning_rate=1e-12, loss=SumForMean(), loss_name="sum_for_mean")
    trainer.fit()
    end = run_ending(trainer, trainer.last, np.zeros(5, np.uint8))
    assert (end.of, end.epochs, end.updates) == ("validation", 3, 15)
    assert end.chance == pytest.approx(6 / 17)  # of 17 images 6 are of the first class
    assert end.right == trainer.last.validation.accuracy
    assert not end.exact
    assert "sum_for_mean is not exact" in judge_run(replace(end, right=0.0))


def test_without_validation_it_is_the_training_s(tiny):
    trainer = tiny.trainer(validate=False)
    trainer.fit()
    end = run_ending(trainer, trainer.last, np.array([0, 1, 1, 2], np.uint8))
    assert (end.of, end.chance, end.right) == ("training", 0.5, trainer.last.train_accuracy)
