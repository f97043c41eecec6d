"""A sweep's jobs, from outcome files made by hand."""

import math

import pytest

from mnist_trainer.runs.folder import OutcomeEnding
from mnist_trainer.sweeps.jobs import Job, read_jobs, unusable


def test_a_torn_outcome_counts_as_a_killed_job(sweep, tmp_path, outcome):
    sweep(outcome(0.9))
    (tmp_path / "0-run-0" / "outcome.json").write_text('{"status": "FINI')
    (job,) = read_jobs(tmp_path, None)
    assert not job.finished
    assert "killed" in job.ending.reason


def test_jobs_come_in_the_order_of_their_numbers_and_other_folders_are_none(sweep, tmp_path, outcome):
    sweep(*(outcome(0.9) for _ in range(12)))
    for name in (".hydra", "x-1", "plots"):
        (tmp_path / name).mkdir()
    (tmp_path / "5-notes.txt").write_text("")
    assert [job.number for job in read_jobs(tmp_path, None)] == list(range(12))


def test_a_killed_job_tells_what_it_was_to_do_if_hydra_wrote_it_down(sweep, tmp_path, outcome):
    sweep(outcome(0.9, overrides=["seed=0"]), None)
    (tmp_path / "1-run-1" / ".hydra").mkdir()
    (tmp_path / "1-run-1" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    assert [job.overrides for job in read_jobs(tmp_path, None)] == [["seed=0"], ["seed=1"]]
    (tmp_path / "1-run-1" / ".hydra" / "overrides.yaml").write_text("- [seed")
    assert [job.overrides for job in read_jobs(tmp_path, None)] == [["seed=0"], []]


def test_a_sweep_is_unusable_if_every_job_was_configured_wrongly(sweep, outcome):
    wrong = {"status": "FAILED", "reason": "a=1 is unknown", "exit_code": 2}
    jobs = sweep(wrong, wrong, {**wrong, "reason": "b=1 is unknown"}, {**wrong, "exit_code": 1}, outcome(0.9), None)
    assert unusable(jobs[:3]) == ["a=1 is unknown", "b=1 is unknown"]
    for other in jobs[3:]:
        assert unusable([*jobs[:3], other]) == []


@pytest.mark.parametrize("wrong", [{"status": 3}, {"test_loss": "low"}, {"test_loss": math.nan}, {"overrides": 1}])
def test_an_outcome_of_wrong_types_counts_as_a_failed_job_and_says_so(sweep, outcome, wrong):
    (job,) = sweep(outcome(0.9, **wrong))
    assert not job.finished
    assert f"outcome.json can't be used: {next(iter(wrong))}" in job.ending.reason


def test_a_folder_whose_name_only_looks_like_a_number_is_no_job(sweep, tmp_path, outcome):
    sweep(outcome(0.9))
    (tmp_path / "²-x").mkdir()
    assert [job.number for job in read_jobs(tmp_path, None)] == [0]


def test_a_listed_job_is_there_whether_it_began_or_not(sweep, tmp_path, outcome):
    sweep(outcome(0.9, overrides=["seed=0", "resume=here"]))
    first, second = read_jobs(tmp_path, [["seed=0"], ["seed=1"]])
    assert (first.finished, first.overrides) == (True, ["seed=0"])
    assert second == Job(1, tmp_path / "1", OutcomeEnding("MISSING", "it never began", ["seed=1"]), None)
