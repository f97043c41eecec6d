from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import check, construct_hyperparameters, hyperparameter, problems, suggestion
from mnist_trainer.kernels.arrays import buffer


class Thing:
    pass


@dataclass
class Sample:
    units: int
    rate: float = hyperparameter(0.5, above=0, maximum=1)
    flag: bool = False
    mode: Literal["auto", "he"] = "auto"
    word: str = hyperparameter("l2", choices=("l2", "decoupled"))
    patience: int | None = hyperparameter(None, minimum=1)
    hidden: list[int] = hyperparameter([128], minimum=1)
    shape: tuple[int, ...] = ()
    things: Sequence[Thing] = ()
    loose: list = field(default_factory=list)
    anything: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    state: float = buffer()


def failures(cls, **values):
    with pytest.raises(ConfigError) as caught:
        construct_hyperparameters(cls, values)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "values",
    [
        {"rate": 1},  # a whole number is a number
        {"flag": True},
        {"mode": "he"},
        {"patience": None},
        {"patience": 3},
        {"hidden": [1, 2]},
        {"hidden": (1, 2)},
        {"hidden": []},
        {"shape": [3, -1]},
        pytest.param({"things": [Thing()]}, id="things"),
        {"loose": [1, "a", None]},
        pytest.param({"anything": object()}, id="anything"),
        {"parameters": {"a": 1}},
    ],
    ids=str,
)
def test_values_that_fit_are_taken_as_they_are(values):
    made = construct_hyperparameters(Sample, {"units": 3, **values})
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("units", True, "a whole number"),
        ("units", 3.0, "a whole number"),
        ("units", "3", "a whole number"),
        ("units", None, "a whole number"),
        ("units", [3], "a whole number"),
        ("rate", "0.1", "a number"),
        ("rate", True, "a number"),
        ("flag", 1, "true or false"),
        ("flag", "yes", "true or false"),
        ("mode", 3, "one of auto, he"),
        ("word", 3, "a word"),
        ("patience", 1.5, "a whole number or null"),
        ("patience", False, "a whole number or null"),
        ("hidden", 128, "a list of whole numbers"),
        ("hidden", "128", "a list of whole numbers"),
        ("hidden", [1, 2.0], "a list of whole numbers"),
        ("hidden", [True], "a list of whole numbers"),
        ("shape", ["3"], "a list of whole numbers"),
        ("things", [3], "a list of Thing"),
        ("loose", "abc", "a list"),
        ("parameters", [1], "a mapping"),
    ],
)
def test_a_mistyped_value_is_named_with_what_would_fit(name, value, words):
    (problem,) = failures(Sample, **{"units": 3, name: value})
    assert problem.startswith(f"{name}={value!r} has the wrong type: must be {words}")


def test_an_unknown_choice_is_named_with_all_that_there_are():
    assert failures(Sample, units=3, mode="xavier") == ["mode='xavier' is unknown (one of: auto, he)"]


def test_an_unknown_parameter_is_named_with_the_nearest_and_all_that_there_are():
    (problem,) = failures(Sample, units=3, patiense=2)
    assert problem.startswith("patiense is unknown; did you mean 'patience'? (one of: anything, flag, hidden, ")
    (problem,) = failures(Sample, units=3, zzz=2)
    assert problem.startswith("zzz is unknown (one of: ")


def test_state_is_no_parameter():
    (problem,) = failures(Sample, units=3, state=1.0)
    assert problem.startswith("state is unknown")
    assert "state" not in problem.partition("one of:")[2]


def test_a_missing_parameter_is_named():
    assert failures(Sample) == ["units is missing: must be a whole number"]


def test_all_problems_are_told_at_once():
    assert len(failures(Sample, rate="x", flag=2, unknown=3)) == 4


def test_what_is_no_dataclass_takes_no_parameters():
    assert failures(Thing) == ["Thing is not a dataclass, so it can't take parameters from a configuration"]


def test_each_instance_has_a_list_of_its_own():
    one, two = Sample(1), Sample(1)
    one.hidden.append(3)
    assert two.hidden == [128]


def test_what_is_in_range_is_no_problem():
    assert problems(Sample(3, rate=1.0, patience=1)) == []
    check(Sample(3))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"rate": 0}, "rate=0 is out of range: must be above 0 and at most 1"),
        ({"rate": 1.0001}, "rate=1.0001 is out of range: must be above 0 and at most 1"),
        ({"rate": float("nan")}, "rate=nan is out of range: must be above 0 and at most 1 and finite"),
        ({"patience": 0}, "patience=0 is out of range: must be at least 1"),
        ({"hidden": [3, 0]}, "hidden=[3, 0] is out of range: must be at least 1"),
        ({"word": "decopled"}, "word='decopled' is unknown; did you mean 'decoupled'? (one of: decoupled, l2)"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_range(values, problem):
    with pytest.raises(ConfigError) as caught:
        check(Sample(3, **values))
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_never_fits(value):
    @dataclass
    class Unbounded:
        rate: float = hyperparameter(0.0)
        least: float = hyperparameter(0.0, minimum=-5)
        most: float = hyperparameter(0.0, below=5)

    assert problems(Unbounded(rate=value)) == [f"rate={value} is out of range: must be finite"]
    assert problems(Unbounded(least=value)) == [f"least={value} is out of range: must be at least -5 and finite"]
    assert problems(Unbounded(most=value)) == [f"most={value} is out of range: must be below 5 and finite"]


def test_problems_deeper_down_are_named_with_their_path():
    @dataclass
    class Outer:
        inner: Sample
        seed: int = hyperparameter(0, minimum=0)

    assert problems(Outer(Sample(1, rate=2.0), seed=-1)) == [
        "inner.rate=2.0 is out of range: must be above 0 and at most 1",
        "seed=-1 is out of range: must be at least 0",
    ]


def test_a_suggestion_without_choices_says_none():
    assert suggestion("a", []) == " (one of: none)"


def test_a_number_too_large_for_a_float_is_out_of_range_too():
    @dataclass
    class Small:
        size: int = hyperparameter(1, maximum=9)

    assert problems(Small(10**400))[0].endswith("is out of range: must be at most 9")
