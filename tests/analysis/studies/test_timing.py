import gc
import itertools
import math
import re
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.analysis.studies.timing import LossTiming, Timing, time_losses, time_steps
from mnist_trainer.config import LossConfig, SoftmaxCrossEntropyConfig

FUSED, SEPARATE = (SoftmaxCrossEntropyConfig(name, 0.0) for name in ("fused", "separate"))
TIMINGS = [
    LossTiming("fused", 1, 10, 20e-6, 10e-6),
    LossTiming("separate", 1, 10, 30e-6, 12e-6),
    LossTiming("fused", 128, 10, 200e-6, 100e-6),
    LossTiming("separate", 128, 10, 300e-6, 150e-6),
    LossTiming("fused", 1, 100, 40e-6, 10e-6),
    LossTiming("separate", 1, 100, math.nan, math.nan),
    LossTiming("fused", 128, 100, 400e-6, 100e-6),
    LossTiming("separate", 128, 100, 900e-6, 100e-6),
]
STEPS = {"fused": 1e-3, "separate": 1.1e-3}


def test_every_mode_is_timed_at_every_size_and_more_work_takes_longer():
    found = time_losses([FUSED, SEPARATE], batch_sizes=(1, 4096), class_counts=(10, 40), seconds=0.5)
    assert [(one.mode, one.batch_size, one.classes) for one in found] == [
        (mode, batch_size, classes)
        for classes in (10, 40)
        for batch_size in (1, 4096)
        for mode in ("fused", "separate")
    ]
    assert all(one.forward_seconds > 0 and one.backward_seconds > 0 for one in found)
    time_of = {(one.mode, one.batch_size, one.classes): one.seconds for one in found}
    for mode in ("fused", "separate"):
        assert time_of[mode, 4096, 40] > 3 * time_of[mode, 1, 10]


def test_the_time_is_kept_and_the_garbage_collector_works_again():
    gc.enable()  # importing the command, as other tests do, disables it until a job begins
    started = time.process_time()  # of this process: a busy machine adds nothing
    time_losses([FUSED], batch_sizes=(1, 8, 512), seconds=0.0)
    time_losses([FUSED], batch_sizes=(1, 8), seconds=0.3)
    assert time.process_time() - started < 3
    assert gc.isenabled()


def test_a_mode_that_cannot_run_at_a_size_has_no_time_there():
    found = time_losses([FUSED, LossConfig("posted_question")], batch_sizes=(1, 8, 10), class_counts=(10,), seconds=0.1)
    times = {one.batch_size: one.seconds for one in found if one.mode == "posted_question"}
    assert math.isnan(times[8])
    assert times[10] > 0
    assert times[1] > 0
    assert "can't run" in "\n".join(Timing(found, {}, 8, 10).as_markdown())


def test_steps_are_called_in_turns_and_their_times_are_told():
    called = []
    found = time_steps(
        {"short": lambda: called.append("short"), "long": lambda: (called.append("long"), time.sleep(0.004))},
        seconds=0.1,
    )
    assert found["long"] > 0.004 > found["short"]
    assert abs(called.count("short") - called.count("long")) == 0
    after = called[6:]  # the warm-up
    assert after[:4] == ["short", "long", "long", "short"]


def test_what_disturbs_more_than_half_of_the_calls_is_not_told_of_a_step():
    calls = itertools.count()
    found = time_steps({"crowded": lambda: time.sleep(0.003 * (next(calls) % 5 > 1))}, seconds=0.1)
    assert found["crowded"] < 0.003


def test_the_tables_have_times_and_ratios_to_the_first_mode():
    lines = Timing(TIMINGS, STEPS, 128, 10).as_markdown()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert ["1", "20", "10", "30", "30", "12", "42"] in cells
    assert ["128", "1.50", "2.00"] in cells
    assert ["1", "1.40", "–"] in cells
    assert ["separate", "1,100", "1.10"] in cells


def test_the_sentence_says_alone_and_in_the_step():
    alone = (
        "Alone, separate takes 1.50 times as long as fused (median over the sizes; from 1.40 to 2.00), in the whole "
    )
    assert Timing(TIMINGS, STEPS, 128, 10).sentences() == [
        alone
        + "training step 1.10 times (1,100 and 1,000 µs, a difference of +100 µs; the losses alone differ by +150 µs)."
    ]
    (said,) = Timing(TIMINGS, {**STEPS, "separate": 1.4e-3}, 100, 47).sentences()
    assert said.startswith(alone)
    assert said.endswith(
        "(1,400 and 1,000 µs, a difference of +400 µs; the losses alone differ by +500 µs "
        "in batches of 128 with 100 classes)."
    )
    assert Timing(TIMINGS[::2], {}, 128, 10).sentences() == []


@given(st.floats(1e-6, 1e-3), st.floats(1e-6, 1e-3), st.floats(1e-6, 1e-2), st.floats(1e-6, 1e-2))
def test_what_the_losses_do_not_explain_of_two_steps_may_be_noise(one, two, first, other):
    losses = [LossTiming("fused", 128, 10, one, 0), LossTiming("separate", 128, 10, two, 0)]
    (said,) = Timing(losses, {"fused": first, "separate": other}, 128, 10).sentences()
    alone = re.search(r" µs; the losses alone differ by (\S+) µs", said)[1]
    assert float(alone.replace("−", "-").replace(",", "")) == pytest.approx(1e6 * (two - one), abs=0.51)
    shown = re.search(r"\((\S+) and (\S+) µs, a difference of (\S+) µs;", said).groups()
    one_step, another, apart = (float(text.replace("−", "-").replace(",", "")) for text in shown)
    assert apart == pytest.approx(one_step - another, abs=0.75)  # as a reader subtracts
    assert min(one_step, another) < 100 or apart == one_step - another
    rest = (other - first) - (two - one)
    assert said.endswith(", the rest may be noise).") == (abs(rest) > abs(two - one))


@pytest.mark.parametrize("steps", [{}, {"fused": 1e-3}])
def test_little_can_be_told_of(steps):
    assert Timing(TIMINGS[::2], steps, 128, 10).as_markdown()


times = st.floats(1e-7, 10) | st.just(math.nan)


@given(st.lists(st.tuples(times, times), min_size=1, max_size=6), st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_the_sentence_on_the_ratios_is_true_of_any_times(seconds, first_step, other_step):
    losses = [
        LossTiming(mode, 2**size, 10, forward_seconds=of / 2, backward_seconds=of / 2)
        for size, pair in enumerate(seconds)
        for mode, of in zip(("fused", "separate"), pair, strict=True)
    ]
    said = Timing(losses, {"fused": first_step, "separate": other_step}, 1, 10).sentences()
    known = [other / first for first, other in seconds if not math.isnan(other / first)]
    assert len(said) == bool(known)
    if known:
        numbers = [float(found.replace(",", "")) for found in re.findall(r"\d[\d,.]*\d(?:e[+-]\d+)?", said[0])]
        shown = [statistics.median(known), min(known), max(known), other_step / first_step]
        for number, value in zip(numbers, shown, strict=False):
            assert number == pytest.approx(value, rel=0.01, abs=0.0051)
        assert max(map(len, re.findall(r"\d[\d,.e+-]*", said[0]))) <= 12
