"""A sweep's report: the tables, and what the paired differences say in words."""

import math

import pytest

from mnist_trainer.sweeps.groups import summarize
from mnist_trainer.sweeps.pairs import compare_modes
from mnist_trainer.sweeps.report import as_markdown, sentences


def rows(markdown):
    """Return the cells of the tables' lines, without their heads."""
    tables = [
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines()]
        for part in markdown.strip().split("\n\n")
        if part.startswith("|")
    ]
    return [table[2:] for table in tables]


def test_runs_of_a_mode_are_summed_up_as_mean_and_deviation(sweep, outcome):
    jobs = sweep(outcome(0.97), outcome(0.90, "separate"), outcome(0.99), outcome(0.92, "separate"))
    fused, separate = summarize(jobs)
    assert (fused.loss, separate.loss, fused.jobs, separate.jobs) == ("fused", "separate", 2, 2)
    assert fused.test_accuracy == pytest.approx((0.98, math.sqrt(2) / 100))
    assert separate.test_accuracy == pytest.approx((0.91, math.sqrt(2) / 100))
    modes, runs = rows(as_markdown(jobs))
    assert modes[0] == ["mnist", "fused", "2", "-", "98.00% ± 1.41%", "0.1000 ± 0.0000", "2.0 ± 0.0"]
    assert [run[:4] for run in runs][:2] == [["0", "0-run-0", "-", "97.00%"], ["1", "1-run-1", "-", "90.00%"]]


def test_a_single_run_has_no_deviation(sweep, outcome):
    modes, _ = rows(as_markdown(sweep(outcome(0.5))))
    assert modes == [["mnist", "fused", "1", "-", "50.00%", "0.1000", "2.0"]]


def test_failed_jobs_are_left_out_of_the_means_and_listed_with_their_reason(sweep, outcome):
    failed = {"status": "FAILED", "reason": "diverged:\nthe loss is nan"}
    jobs = sweep(failed, outcome(0.9), None, {"status": "KILLED", "reason": "interrupted by SIGINT"})
    (summary,) = summarize(jobs)
    assert summary.jobs == 1
    report = as_markdown(jobs)
    tables, _, reasons = report.rpartition("\n\n")
    _, runs = rows(tables)
    assert [(run[0], *run[2:4]) for run in runs] == [
        ("0", "FAILED", ""),
        ("1", "-", "90.00%"),
        ("2", "FAILED", ""),
        ("3", "KILLED", ""),
    ]
    assert "Job 0 FAILED: diverged:\nthe loss is nan\n" in reasons
    assert "Job 2 FAILED: it ended without a word" in reasons
    assert "Job 3 KILLED: interrupted by SIGINT" in reasons


def test_a_reason_does_not_break_the_table_whatever_signs_it_holds(sweep, outcome):
    jobs = sweep({"status": "FAILED", "reason": "int | None\nis wanted"}, outcome(0.9))
    lines = as_markdown(jobs).split("\n\n")[1].splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_runs_that_differ_in_another_key_than_seed_and_loss_can_be_told_apart(sweep, outcome):
    jobs = sweep(
        outcome(0.9, name="mlp", overrides=["optimizer.lr=0.1"]), outcome(0.8, name="mlp", overrides=["optimizer.lr=9"])
    )
    _, runs = rows(as_markdown(jobs))
    assert "optimizer.lr=0.1" in " ".join(runs[0])
    assert "optimizer.lr=9" in " ".join(runs[1])


def test_a_job_tells_only_what_is_its_own_also_beside_a_killed_one(sweep, outcome):
    overrides = [["data=digits", f"seed={seed}"] for seed in range(2)]
    jobs = sweep(*(outcome(0.9, overrides=own) for own in overrides), None)
    _, runs = rows(as_markdown(jobs).rpartition("\n\n")[0])
    assert [run[1] for run in runs] == ["seed=0", "seed=1", "2-run-2"]


def test_a_reason_that_several_jobs_share_is_told_once(sweep, outcome):
    failed = {"status": "FAILED", "reason": "optimizer.lr=-1.0 is out of range"}
    report = as_markdown(sweep(failed, outcome(0.9), failed, {**failed, "reason": "another"}))
    assert "\nJobs 0, 2 FAILED: optimizer.lr=-1.0 is out of range\nJob 3 FAILED: another" in report


def words(jobs):
    return [sentences(comparison) for comparison in compare_modes(jobs)]


def test_a_sweep_of_one_mode_has_nothing_to_pair(job):
    assert "aired" not in as_markdown([job("fused", 0, 0.9), job("fused", 1, 0.8)])
    assert words([job("fused", 0, 0.9), job("fused", 1, 0.8)]) == []


def test_an_interval_with_0_in_it_tells_no_difference(job):
    differences = (0.0007, -0.0003, 0.0002, -0.0005, 0.0004)
    jobs = [job("fused", seed, 0.98) for seed in range(5)]
    jobs += [job("separate", seed, 0.98 + difference) for seed, difference in enumerate(differences)]
    (sentence,) = words(jobs)
    # By hand: mean 0.05 / 5, s = 0.0495, and t = 2.776 for 4 degrees of freedom, so ± 0.0615
    assert sentence.startswith(
        "Over 5 seeds the test accuracy of separate minus fused is +0.010 ± 0.049 points, "
        "95 % CI [−0.051, +0.071]: no difference can be told. "
    )
    assert sentence.endswith("The test loss of separate and fused is equal in all 5 pairs.")
    report = as_markdown(jobs, compare_modes(jobs))
    assert f"- {sentence}\n" in report
    table = next(part for part in report.split("\n\n") if part.startswith("| compared"))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert cells == [
        ["separate − fused", "test accuracy, points", "5", "+0.010 ± 0.049", "[−0.051, +0.071]"],
        ["separate − fused", "test loss", "5", "equal", ""],
        ["separate ÷ fused", "training time, ratio", "5", "equal", ""],
    ]


@pytest.mark.parametrize(("sign", "told"), [(1, "higher"), (-1, "lower")])
def test_an_interval_without_0_says_which_way(job, sign, told):
    jobs = [job("fused", seed, 0.9) for seed in range(3)]
    jobs += [job("separate", seed, 0.9 + sign * (0.02 + seed / 1000)) for seed in range(3)]
    assert f": separate's is {told}." in words(jobs)[0]


def test_one_pair_has_a_difference_and_no_interval(job):
    (sentence,) = words([job("fused", 3, 0.9), job("separate", 3, 0.91, test_loss=0.05)])
    assert sentence == (
        "With seed 3 alone, separate minus fused: test accuracy +1.00 points, test loss −0.0500. "
        "One pair can't tell a difference from chance: run more seeds."
    )


def test_the_same_difference_twice_is_not_taken_for_certainty(job):
    """On 360 test images two seeds often differ by one image each; s = 0 would make an interval of no width."""
    jobs = [
        job(loss, seed, (300 + seed + more) / 360) for loss, more in (("fused", 0), ("separate", 1)) for seed in (0, 1)
    ]
    (sentence,) = words(jobs)
    assert "is +0.28 points in each of the 2 pairs: without spread, no interval." in sentence


def test_failed_jobs_drop_their_pairs_with_a_note(job):
    jobs = [job("fused", 0, 0.9), job("fused", 1, 0.9), job("fused", 2), job("separate", 0, 0.8)]
    jobs += [job("separate", 1), job("separate", 2, 0.8)]
    (sentence,) = words(jobs)
    assert sentence.startswith("With seed 0 alone")
    assert sentence.endswith(" 2 pairs are left out: a job has no result.")
    none = [job("fused", 0, 0.9), job("separate", 0)]
    report = as_markdown(none, compare_modes(none))
    assert "separate and fused have no pair of finished jobs, so nothing can be said. 1 pair is left out" in report
    assert "| compared" not in report


def test_settings_have_rows_and_sentences_of_their_own(job):
    jobs = [
        job(loss, seed, 0.9 + seed / 100 + lr * better, f"optimizer.lr={lr}")
        for loss, better in (("fused", 0), ("separate", 0.1))
        for lr in (0.05, 0.1)
        for seed in (0, 1)
    ]
    report = as_markdown(jobs, compare_modes(jobs))
    assert "| optimizer.lr=0.05 | separate − fused | test accuracy, points | 2     | +0.50" in report
    assert "- At optimizer.lr=0.1, over 2 seeds the test accuracy of separate minus fused is +1.00 points" in report
    assert "one 95 % interval in twenty" in report


def test_the_ratio_of_times_is_a_geometric_mean_with_a_factor_and_an_interval_above_0(job):
    jobs = [job("fused", seed, 0.9, training_seconds=10.0) for seed in range(2)]
    jobs += [job("separate", seed, 0.9, training_seconds=seconds) for seed, seconds in enumerate((9.0, 16.0))]
    report = as_markdown(jobs, compare_modes(jobs))
    (row,) = [line for line in report.splitlines() if "training time, ratio" in line]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    # By hand: √(0.9 · 1.6), e^(ln(16/9)/√2), and 1.2 × e^±(12.706 · ln(16/9)/2)
    assert cells == ["separate ÷ fused", "training time, ratio", "2", "1.20 ×÷ 1.50", "[0.03, 46.42]"]
    assert "geometric mean ×÷ the factor" in report
