"""A sweep's best job is the one with the best validation, whatever its test figures."""

import shlex
from pathlib import Path

import pytest

from mnist_trainer.sweeps.description import MOST_JOBS, sweep_description
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.report import as_markdown
from mnist_trainer.sweeps.selection import best_metrics, select


@pytest.fixture
def jobs(job):
    """Three learning rates: the second has the best validation and the worst test."""
    figures = [(0.95, 0.94, 0.2), (0.90, 0.97, 0.1), (0.96, 0.93, 0.3)]
    return [
        job("fused", 0, test, f"optimizer.lr={rate}", validation_accuracy=held, validation_loss=loss)
        for rate, (test, held, loss) in zip((0.1, 0.2, 0.3), figures, strict=True)
    ]


RECORD = SweepRecord("a1", ["seed=0", "optimizer.lr=0.1,0.2,0.3"], None)


def test_the_best_validation_is_best_not_the_best_test(jobs):
    assert select(jobs).best is jobs[1]
    assert best_metrics(jobs[1]) == {
        "best/validation_accuracy": 0.97,
        "best/validation_loss": 0.1,
        "best/test_accuracy": 0.90,
        "best/test_loss": 0.1,
    }


def test_of_equal_accuracies_the_smaller_loss_is_better(job):
    jobs = [job("fused", seed, 0.9, validation_accuracy=0.9, validation_loss=0.3 - seed / 10) for seed in range(2)]
    assert select(jobs).best is jobs[1]


def test_without_validation_images_or_with_several_data_sets_no_best_is_told_and_a_line_says_why(jobs, job):
    one = job("fused", 0, 0.99)
    assert select([]) == select([job("fused", 0)])
    assert best_metrics(select([one]).best) == {}
    assert select([one]).why_none.startswith("The jobs have no validation images")
    assert "No best is told. Of the jobs, 0 have no validation images" in as_markdown([*jobs, one])
    other = job("fused", 0, 0.99, data="digits", validation_accuracy=1.0, validation_loss=0.0)
    assert "several data sets" in as_markdown([*jobs, other])


def test_the_report_has_a_star_at_the_best_and_says_what_it_means(jobs):
    report = as_markdown(jobs)
    starred = [line for line in report.splitlines() if " * " in line]
    assert len(starred) == 1
    assert "optimizer.lr=0.2" in starred[0]
    assert "97.00% *" in starred[0]
    assert "\n* The best by validation accuracy" in report


def test_the_page_begins_with_the_best_job_and_ranks_the_others(jobs):
    text = sweep_description(Path("/runs/sweep"), RECORD, jobs, [], select(jobs))
    first, *_ = text.splitlines()
    best = "**Best by validation: lr=0.2**, with accuracy 97.00% and loss 0.1000 there; "
    assert first == f"{best}on the test images 90.00% and 0.1000."
    ranked = [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| 0")]
    assert ranked == ["lr=0.2", "lr=0.1", "lr=0.3"]


def test_the_page_says_what_failed_and_how_to_run_it(jobs, job):
    failed = job("fused", 0, None, "optimizer.lr=9")
    killed = job("fused", 1)
    text = sweep_description(Path("/runs/my sweep"), RECORD, [*jobs, failed], [], select(jobs))
    assert "- Job 0 FAILED: diverged" in text
    assert "sweep.resume" not in text  # it would diverge again
    listed = SweepRecord("a1", RECORD.overrides, [])
    object.__setattr__(killed.ending, "reason", "interrupted")
    assert shlex.quote("sweep.resume='/runs/my sweep'") in sweep_description(
        Path("/runs/my sweep"), listed, [killed], [], select([])
    )


def test_the_page_of_a_large_sweep_is_not_longer_than_mlflow_takes(job):
    many = [
        job("fused", 0, 0.9, f"optimizer.lr={rate}", validation_accuracy=rate / 100, validation_loss=0.1)
        for rate in range(100)
    ]
    text = sweep_description(Path("/runs/sweep"), RECORD, many, [], select(many))
    assert len(text) < 8000
    assert f"{100 - MOST_JOBS} jobs more in `sweep.md`" in text
