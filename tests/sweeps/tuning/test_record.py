"""A study's trials as records: which are best."""

from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.sweeps.tuning.record import StudyRecord, best, better, ranked

NUMBERS = st.integers(0, 5).map(float)


def study(values, directions, **of_all):
    trials = [
        {
            "number": number,
            "state": "COMPLETE",
            "params": {},
            "values": list(each),
            "curve": [],
            "seconds": 1.0,
            "folder": None,
            "job": number,
            "same_as": None,
            "reason": None,
            **of_all,
        }
        for number, each in enumerate(values)
    ]
    return StudyRecord("s", "s.log", 9, [f"o{n}" for n in range(len(directions))], list(directions), [], {}, trials)


@given(st.lists(st.tuples(NUMBERS), min_size=1), st.sampled_from(["minimize", "maximize"]))
def test_of_one_objective_the_best_is_the_first_with_the_best_value(values, direction):
    wanted = (min if direction == "minimize" else max)(values)
    (found,) = best(study(values, [direction]))
    assert (found.values, found.number) == (list(wanted), values.index(wanted))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1))
def test_of_several_objectives_those_are_named_that_no_other_beats(values):
    directions = ["minimize", "maximize"]
    found = {each.number for each in best(study(values, directions))}
    for number, own in enumerate(values):
        beaten = any(a <= own[0] and b >= own[1] and (a, b) != own for a, b in values)
        assert (number in found) == (not beaten)


def test_equal_values_beat_nobody():
    assert not better([1.0, 2.0], [1.0, 2.0], ["minimize", "maximize"])


def test_what_was_pruned_or_repeated_is_never_the_best():
    assert best(study([(1.0,)], ["minimize"], same_as=0)) == []
    assert ranked(study([(1.0,)], ["minimize"], state="PRUNED")) == []


def test_what_was_taken_back_or_begun_again_is_no_failure_and_what_failed_is_one():
    record = study([(1.0,)] * 4, ["minimize"], state="FAIL", reason="no memory")
    record.trials[1]["reason"] = None  # taken back
    record.trials[2]["job"] = 3  # and that job's trial is 3 now
    assert [each.number for each in record.of_trials()] == [0, 3]


def test_a_record_that_is_read_is_the_one_that_was_written(tmp_path):
    record = study([(1.0,), (2.0,)], ["minimize"])
    record.write(tmp_path)
    assert StudyRecord.read(tmp_path) == record
    (tmp_path / "study.json").write_text('{"name": "s"}')
    assert StudyRecord.read(tmp_path) is None
