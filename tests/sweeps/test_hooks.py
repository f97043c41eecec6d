"""`--multirun`: jobs, the table and the picture at their end, and what a failing job does to the others."""

import json

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from mnist_trainer.data import digits
from mnist_trainer.data import loading as datasets
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.errors import DataError
from mnist_trainer.sweeps import beginning
from mnist_trainer.tasks import dispatch

TINY = ("--multirun", "data=digits", "tracking=off", "model.hidden=[8]", "epochs=1")
PICTURES = ("loss_modes.png", "paired_differences.png")
PNG = b"\x89PNG\r\n\x1a\n"


def outcomes(sweep):
    return [json.loads(path.read_text()) for path in sorted(sweep.glob("*/outcome.json"))]


def test_a_sweep_over_modes_and_seeds_reports_mean_and_deviation_for_each_mode(command, events_of):
    done = command(*TINY, "loss=fused,separate", "seed=0,1")
    assert done.code == 0
    jobs = outcomes(done.run)
    assert [(job["loss"], job["seed"]) for job in jobs] == [
        ("fused", 0),
        ("fused", 1),
        ("separate", 0),
        ("separate", 1),
    ]
    names = [path.name for path in sorted(done.run.glob("*-*/"))]
    modes = [f"mlp-{loss}-sgd-b128-s{seed}" for loss in ("fused", "separate") for seed in (0, 1)]
    assert names == [f"{number}-{name}" for number, name in enumerate(modes)]
    report = (done.run / "sweep.md").read_text()
    assert report in done.output
    assert "Linear(" not in done.output  # what a single run tells of its model would be told for each
    for loss in ("fused", "separate"):
        of_mode = [job["test_accuracy"] for job in jobs if job["loss"] == loss]
        half = abs(of_mode[0] - of_mode[1]) / 2**0.5
        line = next(line for line in report.splitlines() if line.startswith(f"| digits | {loss} "))
        assert f"| {sum(of_mode) / 2:.2%} ± {half:.2%} |" in line
    for picture in PICTURES:
        assert (done.run / picture).read_bytes().startswith(PNG)
        assert f"{picture} " in done.output
    (start,), (end,) = events_of(done.run, "start"), events_of(done.run, "end")
    assert (start["kind"], start["experiment"], end["status"]) == ("sweep", "digits", "FINISHED")
    parents = {events_of(path.parent, "start")[0]["parent"] for path in done.run.glob("*/journal.jsonl")}
    assert parents == {start["run"]}


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
def test_paired_differences_are_in_the_report_the_sweeps_file_and_the_parents_journal(command, metrics_of):
    done = command(*TINY, "loss=fused,separate", "seed=0,1,2", "optimizer.lr=0.05")
    assert done.code == 0
    jobs = outcomes(done.run)
    values = [separate["test_loss"] - fused["test_loss"] for fused, separate in zip(jobs[:3], jobs[3:], strict=True)]
    (pairs,) = json.loads((done.run / "sweep.json").read_text())["pairs"]
    assert pairs["test_loss"]["values"] == values
    assert pairs["seeds"] == [0, 1, 2]
    assert metrics_of(done.run, "paired/separate/test_loss/mean") == [(6, pytest.approx(sum(values) / 3))]
    assert "- Over 3 seeds the test accuracy of separate " in (done.run / "sweep.md").read_text()


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize("wrong", ["optimizer.lr=-1", "+model.nonsense=1", "epochs=0", "hydra.sweep.subdir=x"])
def test_what_no_job_can_run_is_told_once_before_any_begins(command, wrong):
    done = command(*TINY, wrong, "loss=fused,separate", "seed=0,1")
    assert done.code == 2
    assert done.output.count(wrong.removeprefix("+").partition("=")[0]) == 1
    assert "Traceback" not in done.output
    assert [path for path in done.folder.rglob("*") if path.is_file()] == []


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
def test_what_only_the_data_tell_is_left_to_the_jobs(command):
    done = command(*TINY, "data.validation_size=10,1437")
    assert [job["status"] for job in outcomes(done.run)] == ["FINISHED", "FAILED"]
    assert done.code == 1


@pytest.mark.usefixtures("no_picture")
def test_a_failing_job_lets_the_others_go_on_and_is_reported_with_its_reason(command, events_of):
    done = command(*TINY[:-2], "epochs=1", "data.validation_size=10,1437,20", "model.hidden=[8]")
    assert done.code == 1
    assert "Traceback" not in done.output
    assert [job["status"] for job in outcomes(done.run)] == ["FINISHED", "FAILED", "FINISHED"]
    report = (done.run / "sweep.md").read_text()
    assert "FAILED: data.validation_size=1437" in report
    # a mean is over seeds only: other choices have rows of their own
    assert "| digits | fused data.validation_size=10 | 1 " in report
    assert "| digits | fused data.validation_size=20 | 1 " in report
    (end,) = events_of(done.run, "end")
    assert (end["status"], end["reason"]) == ("FAILED", "1 of 3 jobs have no result: see sweep.md")


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
def test_a_diverging_job_is_reported_with_its_reason(command):
    done = command(*TINY, "schedule=constant", "optimizer.lr=1e6,0.01")
    assert done.code == 1
    assert [job["status"] for job in outcomes(done.run)] == ["FAILED", "FINISHED"]
    assert "FAILED: diverged at step " in (done.run / "sweep.md").read_text()


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
def test_a_bug_in_one_job_lets_the_others_go_on(command, monkeypatch):
    train = dispatch.train

    def buggy(config, *args, **kwargs):
        if config.seed == 0:
            raise ZeroDivisionError("a bug")
        return train(config, *args, **kwargs)

    monkeypatch.setattr(dispatch, "train", buggy)
    done = command(*TINY, "seed=0,1")
    assert done.code == 1
    assert [job["status"] for job in outcomes(done.run)] == ["FAILED", "FINISHED"]
    assert "ZeroDivisionError: a bug" in (done.run / "sweep.md").read_text()
    assert "Traceback" in done.output  # a bug's place is told


def test_a_bug_before_the_first_job_ends_the_command_with_its_traceback(command, monkeypatch, capfd):
    def buggy(config):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(beginning, "begin_sweep", buggy)
    with pytest.raises(ZeroDivisionError):  # as out of the command: Hydra would warn, and run the jobs
        command(*TINY, "seed=0,1")
    assert "raised" not in capfd.readouterr().err


def test_data_that_cannot_be_had_end_the_sweep_before_its_first_job(command):
    done = command(*TINY, "data=mnist", "data.root=nowhere", "seed=0,1")
    assert done.code == 2
    assert "nowhere: no such folder" in done.output
    assert "Traceback" not in done.output
    assert [path for path in done.folder.rglob("*") if path.is_file()] == []


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("loss=fused,fusd", "job 1 (loss=fusd): loss=fusd is unknown; did you mean 'fused'?"),
        ("loss=glob(zzz*)", "loss: what is given stands for no value"),
        ("seed=0,1 hydra.sweeper.max_batch_size=0", "hydra.sweeper.max_batch_size=0 is out of range"),
        ("seed=1,x", "job 1 (seed=x): seed=x has the wrong type: must be a whole number"),
        ("optimizer=custom,sgd", "job 0 (optimizer=custom): optimizer.name is missing"),
        ("optimizer.lr=0.1,-1", "job 1 (optimizer.lr=-1): optimizer.lr=-1.0 is out of range"),
        ("model=mlp,linear", "job 1 (model=linear): model.hidden is unknown"),
        ("experiment=null,tiny", "job 0 (experiment=null): experiment=null: a choice is a name: say experiment=none"),
        (
            "seed=range(5) epochs=1,0",
            "job 5 (epochs=0 seed=0), job 6 (epochs=0 seed=1), job 7 (epochs=0 seed=2) and 2 more: ",
        ),
        ("task=gradcheck loss=fused,fusd", "job 1 (loss=fusd): loss=fusd is unknown"),
        ("name='${model.name}-a',b/c", "job 1 (name=b/c): name='b/c': letters"),
        ("outputs=outputs,elsewhere", "job 1 (outputs=elsewhere): outputs=elsewhere: all jobs of a sweep lie in its"),
        (
            "seed=0,1 outputs=s-${seed}",
            "job 1 (seed=1): outputs=s-1: all jobs of a sweep lie in its own",
        ),
        ("task=train,gradcheck", "job 1 (task=gradcheck): task=gradcheck: all jobs of a sweep have one task"),
        ("tracking=off,mlflow", "job 1 (tracking=mlflow): tracking=mlflow: all jobs of a sweep are sent, or none"),
        ("tracking.uri=null,http://a", "tracking.uri=http://a: all jobs of a sweep are sent to one store"),
        ("hydra/sweeper=optuna model=mlp,linear optimizer.lr=interval(0.1,1)", "model=linear"),
        ("hydra/sweeper=optuna optimizer.lr=interval(-1,1)", "optimizer.lr=-1.0 is out of range"),
    ],
)
def test_nothing_begins_of_a_sweep_with_a_job_that_cannot_be_composed(command, override, wanted):
    done = command(*TINY, *override.split())
    assert done.code == 2
    assert wanted in done.output
    assert "Traceback" not in done.output
    assert [path for path in done.folder.rglob("*") if path.is_file()] == []


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
def test_jobs_are_composed_and_their_data_read_once(command, monkeypatch):
    composed, load = [], ConfigLoaderImpl.load_sweep_config
    read, scan = [], digits._read_scans

    def counted(self, config, overrides):
        composed.append(overrides)
        return load(self, config, overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", counted)
    monkeypatch.setattr(digits, "_read_scans", lambda path: read.append(path) or scan(path))
    assert command(*TINY, "seed=0,1").code == 0
    assert composed == [[*TINY[1:], f"seed={seed}"] for seed in (0, 1)]
    assert len(read) == 1
    assert KeptFiles.current is None


@pytest.mark.long
@pytest.mark.usefixtures("no_picture", "conf")
def test_a_sweep_goes_on_only_if_all_that_it_lacks_can_be_composed(command, tmp_path):
    experiment = tmp_path / "conf" / "experiment" / "mine.yaml"
    experiment.write_text("# @package _global_\nseed: 3\n")
    done = command(*TINY, "experiment=none,mine", "data.validation_size=1437")
    assert done.code == 2
    before = {path: path.read_bytes() for path in done.run.rglob("*") if path.is_file()}
    experiment.write_text("# @package _global_\nseeed: 3\n")
    again = command("--multirun", f"sweep.resume={done.run}")
    assert again.code == 2
    assert "job 1 (experiment=mine" in again.output
    assert "mine.yaml, line 2: seeed is unknown; did you mean 'seed'?" in again.output
    assert {path: path.read_bytes() for path in done.run.rglob("*") if path.is_file()} == before


@pytest.mark.long
@pytest.mark.usefixtures("no_picture")
def test_a_sweep_over_data_sets_asks_for_these_alone(command, monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise DataError("the default data set is not in this sweep")

    monkeypatch.setattr(datasets, "from_cache", fail)
    rest = [argument for argument in TINY if argument != "data=digits"]
    done = command(*rest, "data=digits,mnist")
    assert "NOT MNIST" not in done.output
    assert [job["status"] for job in outcomes(done.run)] == ["FINISHED", "FAILED"]
