"""A sweep's table, from outcome files made by hand."""

import json
import math

import pytest

from mnist_trainer.analysis.sweep import as_markdown, mean_and_deviation, read_jobs, summarize

BASE = {"status": "FINISHED", "reason": None, "training_seconds": 2.0, "test_loss": 0.1}


@pytest.fixture
def sweep(tmp_path):
    """Write a job's folder for each outcome; None: it left no outcome."""

    def write(*outcomes):
        for number, outcome in enumerate(outcomes):
            folder = tmp_path / f"{number}-run-{number}"
            folder.mkdir()
            if outcome is not None:
                content = {**BASE, "name": f"run-{number}", **outcome}
                (folder / "outcome.json").write_text(json.dumps(content))
        return read_jobs(tmp_path)

    return write


def outcome(accuracy, loss="fused", data="mnist", **more):
    return {"test_accuracy": accuracy, "loss": loss, "data": data, **more}


def rows(markdown):
    """Return the cells of the two tables' lines, without their heads."""
    tables = [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines()]
        for part in markdown.strip().split("\n\n")
    ]
    return [table[2:] for table in tables]


def test_mean_and_sample_deviation_are_the_textbooks():
    assert mean_and_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == pytest.approx((5, math.sqrt(32 / 7)))
    mean, deviation = mean_and_deviation([0.5])
    assert mean == 0.5
    assert math.isnan(deviation)


def test_runs_of_a_mode_are_summed_up_as_mean_and_deviation(sweep):
    jobs = sweep(outcome(0.97), outcome(0.90, "separate"), outcome(0.99), outcome(0.92, "separate"))
    fused, separate = summarize(jobs)
    assert (fused.loss, separate.loss, fused.jobs, separate.jobs) == ("fused", "separate", 2, 2)
    assert fused.test_accuracy == pytest.approx((0.98, math.sqrt(2) / 100))
    assert separate.test_accuracy == pytest.approx((0.91, math.sqrt(2) / 100))
    modes, runs = rows(as_markdown(jobs))
    assert modes[0] == ["mnist", "fused", "2", "98.00% ± 1.41%", "0.1000 ± 0.0000", "2.0 ± 0.0"]
    assert [run[:3] for run in runs][:2] == [["0", "0-run-0", "97.00%"], ["1", "1-run-1", "90.00%"]]


def test_a_single_run_has_no_deviation(sweep):
    modes, _ = rows(as_markdown(sweep(outcome(0.5))))
    assert modes == [["mnist", "fused", "1", "50.00%", "0.1000", "2.0"]]


def test_data_sets_are_not_averaged_with_one_another(sweep):
    found = summarize(sweep(outcome(0.9), outcome(0.8, data="digits"), outcome(0.7, data="digits")))
    assert [(summary.data, summary.jobs) for summary in found] == [("mnist", 1), ("digits", 2)]
    assert found[0].test_accuracy[0] == 0.9


def test_failed_jobs_are_left_out_of_the_means_and_listed_with_their_reason(sweep):
    failed = {"status": "FAILED", "reason": "diverged:\nthe loss is nan"}
    jobs = sweep(failed, outcome(0.9), None, {"status": "KILLED", "reason": "interrupted by SIGINT"})
    (summary,) = summarize(jobs)
    assert summary.jobs == 1
    report = as_markdown(jobs)
    tables, _, reasons = report.rpartition("\n\n")
    _, runs = rows(tables)
    assert [run[:3:2] for run in runs] == [["0", "FAILED"], ["1", "90.00%"], ["2", "FAILED"], ["3", "KILLED"]]
    assert "Job 0 FAILED: diverged:\nthe loss is nan\n" in reasons
    assert "Job 2 FAILED: it ended without a word" in reasons
    assert "Job 3 KILLED: interrupted by SIGINT" in reasons


def test_a_torn_outcome_counts_as_a_killed_job(sweep, tmp_path):
    sweep(outcome(0.9))
    (tmp_path / "0-run-0" / "outcome.json").write_text('{"status": "FINI')
    (job,) = read_jobs(tmp_path)
    assert not job.finished
    assert "killed" in job.outcome["reason"]


def test_jobs_come_in_the_order_of_their_numbers_and_other_folders_are_none(sweep, tmp_path):
    sweep(*(outcome(0.9) for _ in range(12)))
    for name in (".hydra", "x-1", "plots"):
        (tmp_path / name).mkdir()
    (tmp_path / "5-notes.txt").write_text("")
    assert [job.number for job in read_jobs(tmp_path)] == list(range(12))


def test_a_reason_does_not_break_the_table_whatever_signs_it_holds(sweep):
    jobs = sweep({"status": "FAILED", "reason": "int | None\nis wanted"}, outcome(0.9))
    lines = as_markdown(jobs).split("\n\n")[1].splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_runs_that_differ_in_another_key_than_seed_and_loss_can_be_told_apart(sweep):
    jobs = sweep(
        outcome(0.9, name="mlp", overrides=["optimizer.lr=0.1"]), outcome(0.8, name="mlp", overrides=["optimizer.lr=9"])
    )
    _, runs = rows(as_markdown(jobs))
    assert "optimizer.lr=0.1" in " ".join(runs[0])
    assert "optimizer.lr=9" in " ".join(runs[1])


def test_a_job_tells_only_what_is_its_own_also_beside_a_killed_one(sweep):
    overrides = [["data=digits", f"seed={seed}"] for seed in range(2)]
    jobs = sweep(*(outcome(0.9, overrides=own) for own in overrides), None)
    _, runs = rows(as_markdown(jobs).rpartition("\n\n")[0])
    assert [run[1] for run in runs] == ["seed=0", "seed=1", "2-run-2"]
