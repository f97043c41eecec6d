"""A sweep's jobs over one another."""

import math

from mnist_trainer.figures.sweep_jobs import NAMED, job_curves


def job(name, last, *, of="validation", epochs=3):
    steps = range(10, 10 * epochs + 1, 10)
    return name, {
        f"{of}/loss": [(step, 1 - last + 1 / step) for step in steps],
        f"{of}/accuracy": [(step, last - 1 / step + 1 / steps[-1]) for step in steps],
    }


def legend(figure):
    box = figure.axes[1].get_legend()
    return box.get_title().get_text(), [text.get_text() for text in box.get_texts()]


def test_the_best_jobs_are_named_in_their_order_and_all_are_drawn(tmp_path, drawn):
    jobs = [job(f"lr={number}", 0.5 + number / 100) for number in range(NAMED + 2)]
    job_curves(jobs, tmp_path / "jobs.png")
    title, names = legend(drawn[0])
    assert names == [f"lr={number}: {0.5 + number / 100:.2%}" for number in reversed(range(2, NAMED + 2))]
    assert title == "the last validation accuracy; grey: 2 more"
    assert [len(axes.get_lines()) for axes in drawn[0].axes] == [NAMED + 2, NAMED + 2]


def test_without_a_validation_the_training_is_drawn_and_one_that_fell_out_of_range_has_no_name(tmp_path, drawn):
    broken = ("broken", {"train/loss": [(10, math.nan)]})
    job_curves([job("lr=0.1", 0.9, of="train", epochs=1), broken], tmp_path / "jobs.png")
    title, names = legend(drawn[0])
    assert (title, names) == ("the last train accuracy; grey: 1 more", ["lr=0.1: 90.00%"])
    assert drawn[0].axes[0].get_lines()[0].get_marker() == "o"


def test_jobs_without_numbers_leave_an_empty_picture(tmp_path, drawn):
    job_curves([("a", {}), ("b", {})], tmp_path / "jobs.png")
    assert (tmp_path / "jobs.png").read_bytes().startswith(b"\x89PNG")
