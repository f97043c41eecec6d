import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer import registry
from mnist_trainer.errors import ConfigError
from mnist_trainer.schedules import Constant, Cosine, OneCycle, Step

SHARE = st.floats(0, 1)
BELOW_ONE = st.floats(0, 1, exclude_max=True)
ABOVE_ZERO = st.floats(0, 1, exclude_min=True)
ANY = {
    Constant: st.builds(Constant),
    Step: st.builds(Step, every=st.integers(1, 10), gamma=ABOVE_ZERO),
    Cosine: st.builds(Cosine, warmup=BELOW_ONE, final=SHARE),
    OneCycle: st.builds(OneCycle, warmup=BELOW_ONE, initial=ABOVE_ZERO, final=SHARE),
}
KINDS = tuple(registry.schedules.values())


def factors(schedule, total=100, steps_per_epoch=10):
    schedule.build(total, steps_per_epoch)
    return [schedule.factor(step) for step in range(total + 1)]


def test_every_registered_schedule_is_tested():
    assert set(KINDS) == set(ANY)


@pytest.mark.parametrize("cls", ANY, ids=lambda cls: cls.__name__)
@given(data=st.data(), total=st.integers(0, 300), per_epoch=st.integers(0, 50), step=st.integers(0, 10**6))
def test_the_factor_lies_between_0_and_1_even_beyond_the_end(cls, data, total, per_epoch, step):
    schedule = data.draw(ANY[cls])
    schedule.build(total, per_epoch)
    for at in (step, min(step, total), 0, total):
        factor = schedule.factor(at)
        assert type(factor) is float
        assert 0 <= factor <= 1


def test_constant_is_1():
    assert set(factors(Constant())) == {1.0}


def test_step_is_multiplied_by_gamma_after_every_span_of_whole_epochs():
    made = factors(Step(every=2, gamma=0.5))
    assert made[:20] == [1.0] * 20
    assert made[20:40] == [0.5] * 20
    assert (made[99], made[100]) == (0.0625, 0.03125)


def test_cosine_falls_from_1_through_the_middle_to_its_final_value_and_stays():
    schedule = Cosine(final=0.2)
    made = factors(schedule)
    assert made[0] == 1
    assert made[50] == pytest.approx(0.6)
    assert made[25] == pytest.approx(0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2)
    assert made[100] == schedule.factor(1000) == pytest.approx(0.2)
    assert made == sorted(made, reverse=True)


def test_cosine_s_warm_up_rises_linearly_from_above_0_to_the_peak():
    made = factors(Cosine(warmup=0.2))
    assert made[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert made[20] == 1
    assert made[60] == pytest.approx(0.5)
    assert made[20:] == sorted(made[20:], reverse=True)
    assert made[100] == pytest.approx(0, abs=1e-15)


def test_one_cycle_rises_from_its_initial_to_1_and_falls_to_its_final_value():
    schedule = OneCycle(warmup=0.4, initial=0.1, final=0.01)
    made = factors(schedule)
    assert made[0] == pytest.approx(0.1)
    assert made[20] == pytest.approx(0.55)
    assert made[40] == 1
    assert made[70] == pytest.approx(0.505)
    assert made[100] == schedule.factor(1000) == pytest.approx(0.01)
    assert made[:41] == sorted(made[:41])
    assert made[40:] == sorted(made[40:], reverse=True)


def test_one_cycle_without_warm_up_starts_at_its_peak():
    assert factors(OneCycle(warmup=0.0))[0] == 1


def test_the_length_that_build_takes_is_what_counts():
    schedule = Cosine()
    schedule.build(10, 5)
    short = schedule.factor(5)
    schedule.build(1000, 5)
    assert short == pytest.approx(0.5)
    assert schedule.factor(5) > 0.99


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Step(every=0), "every=0 "),
        (lambda: Step(gamma=0), "gamma=0 "),
        (lambda: Step(gamma=1.5), "gamma=1.5 "),
        (lambda: Cosine(warmup=1), "warmup=1 "),
        (lambda: Cosine(final=-0.1), "final=-0.1 "),
        (lambda: OneCycle(initial=0), "initial=0 "),
        (lambda: OneCycle(final=1.1), "final=1.1 "),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(make, key):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(key)
