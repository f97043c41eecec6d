"""A sweep's jobs and groups, from outcome files made by hand."""

import math

import pytest

from mnist_trainer.sweeps.jobs import mean_and_deviation, read_jobs, summarize, unusable


def test_mean_and_sample_deviation_are_the_textbooks():
    assert mean_and_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx((5, math.sqrt(32 / 7)))
    mean, deviation = mean_and_deviation([0.5])
    assert mean == 0.5
    assert math.isnan(deviation)


def test_data_sets_are_not_averaged_with_one_another(sweep, outcome):
    found = summarize(sweep(outcome(0.9), outcome(0.8, data="digits"), outcome(0.7, data="digits")))
    assert [(summary.data, summary.jobs) for summary in found] == [("mnist", 1), ("digits", 2)]
    assert found[0].test_accuracy[0] == 0.9


def test_a_torn_outcome_counts_as_a_killed_job(sweep, tmp_path, outcome):
    sweep(outcome(0.9))
    (tmp_path / "0-run-0" / "outcome.json").write_text('{"status": "FINI')
    (job,) = read_jobs(tmp_path)
    assert not job.finished
    assert "killed" in job.outcome["reason"]


def test_jobs_come_in_the_order_of_their_numbers_and_other_folders_are_none(sweep, tmp_path, outcome):
    sweep(*(outcome(0.9) for _ in range(12)))
    for name in (".hydra", "x-1", "plots"):
        (tmp_path / name).mkdir()
    (tmp_path / "5-notes.txt").write_text("")
    assert [job.number for job in read_jobs(tmp_path)] == list(range(12))


def test_a_killed_job_tells_what_it_was_to_do_if_hydra_wrote_it_down(sweep, tmp_path, outcome):
    sweep(outcome(0.9, overrides=["seed=0"]), None)
    (tmp_path / "1-run-1" / ".hydra").mkdir()
    (tmp_path / "1-run-1" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    assert [job.overrides for job in read_jobs(tmp_path)] == [["seed=0"], ["seed=1"]]
    (tmp_path / "1-run-1" / ".hydra" / "overrides.yaml").write_text("- [seed")
    assert [job.overrides for job in read_jobs(tmp_path)] == [["seed=0"], []]


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
    assert f"outcome.json can't be used: {next(iter(wrong))}" in job.outcome["reason"]


def test_a_folder_whose_name_only_looks_like_a_number_is_no_job(sweep, tmp_path, outcome):
    sweep(outcome(0.9))
    (tmp_path / "²-x").mkdir()
    assert [job.number for job in read_jobs(tmp_path)] == [0]
