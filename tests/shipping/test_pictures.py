import pytest

from mnist_trainer.journal.reading import JournalContent
from mnist_trainer.shipping.pictures import by_mode, draw_folder, main


def history(mode, seed, **params):
    metrics = {"train/loss": [(1, float(seed))]}
    return JournalContent(params={"loss.name": mode, "loss.exact": True, "seed": seed, **params}, metrics=metrics)


def test_runs_of_the_same_seed_have_the_same_place_in_their_modes():
    histories = [history("fused", 1), history("fused", 0), history("separate", 0), history("separate", 1)]
    modes = by_mode(histories)
    assert modes["fused"] == modes["separate"] == [{"train/loss": [(1, 0.0)]}, {"train/loss": [(1, 1.0)]}]


def test_a_seed_that_one_mode_lacks_is_left_out():
    modes = by_mode([history("fused", 0), history("fused", 1), history("separate", 1)])
    assert {mode: len(runs) for mode, runs in modes.items()} == {"fused": 1, "separate": 1}


def test_the_command_draws_a_sweep_and_its_runs(tmp_path, begin, write, capsys):
    sweep = begin("sweep", kind="sweep")
    write(begin("sweep/0"))
    assert main([str(sweep.folder)]) == 0
    names = ["loss_modes.png", "0/learning_curves.png", "0/confusion_matrix.png"]
    assert capsys.readouterr().out.split() == [str(sweep.folder / name) for name in names]
    assert all((sweep.folder / name).read_bytes().startswith(b"\x89PNG") for name in names)


@pytest.mark.parametrize(
    ("jobs", "drawn"),
    [
        ([("fused", 0.1, 0), ("fused", 1.0, 0), ("separate", 0.1, 0), ("separate", 1.0, 0)], ["jobs", "loss_modes"]),
        ([("fused", 0.1, 0), ("fused", 0.1, 1)], ["loss_modes"]),
        ([("fused", 0.1, 0), ("fused", 1.0, 0)], ["jobs"]),
    ],
    ids=["modes and rates", "seeds alone", "rates alone"],
)
def test_jobs_are_drawn_where_they_differ_in_more_than_mode_and_seed_and_means_where_they_say_something(
    begin, jobs, drawn
):
    sweep = begin("sweep", kind="sweep")
    for number, (mode, rate, seed) in enumerate(jobs):
        job = begin(f"sweep/{number}")
        job.params({"loss.name": mode, "optimizer.lr": rate, "seed": seed})
        job.metrics(1, {"train/loss": 1.0, "train/accuracy": 0.5})
    assert [path.stem for path in draw_folder(sweep.folder)] == drawn


def test_a_run_without_numbers_has_no_pictures(tmp_path, begin):
    assert draw_folder(begin("a").folder) == []
    assert main([]) == 2


def test_of_a_comparison_only_the_runs_are_drawn_since_it_draws_its_own(begin, write, capsys):
    parent = begin("compare", kind="comparison")
    write(parent)
    write(begin("compare/0-fused"))
    assert draw_folder(parent.folder) == []
    assert main([str(parent.folder)]) == 0
    names = [path.rpartition("/compare/")[2] for path in capsys.readouterr().out.split()]
    assert names == ["0-fused/learning_curves.png", "0-fused/confusion_matrix.png"]
