"""`hydra/sweeper=optuna`, command by command: trials, pruning, resuming, several commands on one study."""

import json
import signal
import sys

import pytest

pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

from mnist_trainer.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_picture")

LR = "optimizer.lr=tag(log,interval(1e-3,1))"
TUNE = ("--multirun", "data=digits", "tracking=off", "model.hidden=[8]", "hydra/sweeper=optuna")
SEEDED = ("hydra.sweeper.sampler.seed=1",)


def study_of(folder):
    return json.loads((folder / "study.json").read_text())


def states(folder):
    return [trial["state"] for trial in study_of(folder)["trials"]]


def outcomes(sweep):
    paths = sorted(sweep.glob("*/outcome.json"), key=lambda path: int(path.parent.name.partition("-")[0]))
    return [json.loads(path.read_text()) for path in paths]


def test_each_trial_is_a_job_and_is_judged_by_its_validation(command, events_of):
    done = command(*TUNE, *SEEDED, LR, "epochs=1", "hydra.sweeper.n_trials=3", "hydra.sweeper.pruner=none")
    assert done.code == 0, done.output
    study, jobs = study_of(done.run), outcomes(done.run)
    assert [trial["values"] for trial in study["trials"]] == [[job["validation_loss"]] for job in jobs]
    assert [
        f"optimizer.lr={trial['params']['optimizer.lr']!r}" in job["overrides"]
        for trial, job in zip(study["trials"], jobs, strict=True)
    ]
    best = min(range(3), key=lambda number: jobs[number]["validation_loss"])
    report = (done.run / "sweep.md").read_text()
    assert f"Best: trial {best}, validation/loss" in report
    assert report.splitlines()[4].startswith(f"| {best} ")  # the table's first row
    lr = study["trials"][best]["params"]["optimizer.lr"]
    again = f"--multirun data=digits tracking=off 'model.hidden=[8]' optimizer.lr={lr!r} epochs=1 seed=1,2,3,4,5"
    assert again in report
    tags = {key: value for event in events_of(done.run, "tags") for key, value in event["tags"].items()}
    assert tags["study.best_trial"] == str(best)
    assert "study.json" in [event["name"] for event in events_of(done.run, "artifact")]


@pytest.mark.long
def test_it_tunes_where_no_plugin_of_hydras_is_installed(command, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("hydra_plugins")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hydra_plugins", None)
    done = command(*TUNE, LR, "epochs=1", "hydra.sweeper.n_trials=1", "hydra.sweeper.pruner=none")
    assert done.code == 0, done.output
    assert states(done.run) == ["COMPLETE"]


def test_a_pruned_trial_keeps_its_curve_says_why_and_is_no_failure(command, events_of, metrics_of):
    pruner = "hydra.sweeper.pruner={name:threshold,upper:0.0001}"
    done = command(*TUNE, LR, "epochs=3", "hydra.sweeper.n_trials=2", pruner)
    assert done.code == 0, done.output
    assert states(done.run) == ["PRUNED", "PRUNED"]
    job = next(done.run.glob("0-*"))
    outcome = json.loads((job / "outcome.json").read_text())
    assert (outcome["status"], outcome["pruned"]["epoch"]) == ("PRUNED", 1)
    assert "pruned after epoch 1 of 3: validation/loss" in outcome["reason"]
    (end,) = events_of(job, "end")
    assert (end["status"], end["reason"]) == ("FINISHED", None)
    tags = {key: value for event in events_of(job, "tags") for key, value in event["tags"].items()}
    assert (tags["pruned"], tags["pruned.epoch"], tags["pruned.reason"]) == ("true", "1", outcome["reason"])
    assert len(metrics_of(job, "validation/loss")) == 1
    (end,) = events_of(done.run, "end")
    assert end["status"] == "FINISHED"
    assert "No trial has finished" in (done.run / "sweep.md").read_text()


@pytest.mark.long
def test_a_duplicate_of_a_finished_trial_is_not_trained_again(command):
    done = command(
        *TUNE, *SEEDED, "optimizer=sgd,adam", "epochs=1", "hydra.sweeper.n_trials=6", "hydra.sweeper.sampler=random"
    )
    assert done.code == 0, done.output
    trials = study_of(done.run)["trials"]
    assert len(trials) == 6
    assert len(outcomes(done.run)) == 2
    for trial in trials:
        if trial["same_as"] is not None:
            same = trials[trial["same_as"]]
            assert (trial["params"], trial["values"], same["same_as"]) == (same["params"], same["values"], None)


@pytest.mark.long
def test_a_diverging_trial_is_an_answer_that_the_sampler_learns_from(command):
    done = command(
        *TUNE,
        "schedule=constant",
        "optimizer.lr=1e6,0.01",
        "epochs=1",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.sampler=grid",
    )
    assert done.code == 0, done.output
    assert sorted(states(done.run)) == ["COMPLETE", "PRUNED"]
    assert "1 finished, 1 diverged" in done.output or "1 diverged, 1 finished" in done.output


@pytest.mark.long
def test_a_trial_that_fails_counts_as_none_and_the_sweep_as_failed(command):
    done = command(
        *TUNE, "data.validation_size=100,1437", "epochs=1", "hydra.sweeper.n_trials=2", "hydra.sweeper.sampler=grid"
    )
    assert done.code == 1, done.output
    assert states(done.run).count("FAIL") >= 1
    assert "data.validation_size=1437" in done.output  # all images, as only the data tell
    assert "Traceback" not in done.output


@pytest.mark.long
def test_several_objectives_are_all_told_and_none_prunes(command):
    objective = "hydra.sweeper.objective=[validation/accuracy,parameters]"
    done = command(
        *TUNE,
        *SEEDED,
        "model.hidden=choice([4],[8],[16])",
        objective,
        "epochs=1",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.sampler=grid",
    )
    assert done.code == 0, done.output
    for trial in study_of(done.run)["trials"]:
        units = int(trial["params"]["model.hidden"].strip("[]"))
        assert trial["values"][1] == 784 * units + units + units * 10 + 10
    report = (done.run / "sweep.md").read_text()
    assert "| validation/accuracy | parameters |" in report
    assert report.count("with other seeds:") == report.count("Beaten by none: trial") + report.count("Best: trial")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("data.validation_size=0", "data.validation_size=0: trials are chosen by their validation"),
        ("hydra.sweeper.objective=test/accuracy", "has no test left"),
        ("hydra.sweeper.sampler=tpo", "did you mean 'tpe'?"),
        ("hydra.sweeper.pruner=hyperbanned", "did you mean 'hyperband'?"),
        ("hydra.sweeper.pruner={name:median,n_startup_trials:-1}", "hydra.sweeper.pruner=median: "),
        ("hydra.sweeper.pruner={name:median,nonsense:1}", "hydra.sweeper.pruner=median: "),
        ("hydra.sweeper.sampler=grid", "optimizer.lr is an interval"),
        ("hydra.sweeper.storage=nonsense://x", "hydra.sweeper.storage=nonsense://x: "),
        ("optimizer.lr=0.1", "nothing to choose"),
        ("task=profile", "leave task=profile out"),
    ],
)
def test_what_cant_be_tuned_ends_with_code_2_before_a_trial(command, wrong, told):
    done = command(*TUNE, LR, "epochs=1", wrong)
    assert (done.code, told in done.output, "Traceback" in done.output) == (2, True, False), done.output
    assert not list(done.folder.rglob("journal.jsonl"))


def test_without_optuna_the_line_that_installs_it_is_told(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = command(*TUNE, LR)
    assert (done.code, "Traceback" in done.output) == (2, False)
    assert 'pip install "optuna>=4.9,<6"' in done.output


def test_without_a_databases_driver_the_line_that_installs_it_is_told_and_no_password(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = command(*TUNE, LR, "hydra.sweeper.storage=postgresql://me:s3cret@127.0.0.1:1/studies")
    assert (done.code, "Traceback" in done.output, "s3cret" in done.output) == (2, False, False), done.output
    assert 'pip install "psycopg[binary]"' in done.output


@pytest.fixture
def stopped(command, monkeypatch):
    """Run a command that gets SIGTERM after so many updates of all its jobs."""

    def run(*arguments, after):
        update, steps = Trainer.update, []

        def counted(self, x, labels):
            found = update(self, x, labels)
            steps.append(self.step)
            if len(steps) == after:
                signal.raise_signal(signal.SIGTERM)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "update", counted)
            done = command(*arguments)
        assert done.code == 143, done.output
        return done

    return run


@pytest.mark.long
def test_a_study_that_was_broken_off_goes_on_as_if_nothing_had_happened(command, stopped, tmp_path, metrics_of):
    arguments = (
        *TUNE,
        *SEEDED,
        LR,
        "epochs=2",
        "hydra.sweeper.n_trials=5",
        "hydra.sweeper.pruner={name:median,n_startup_trials:2}",
    )
    whole = command(*arguments, folder=tmp_path / "whole").run
    stopped(*arguments, after=50)  # of 22 a job: in the midst of the third
    broken = next((tmp_path / "outputs").glob("2*/*"))
    assert states(broken) == ["COMPLETE", "COMPLETE", "RUNNING"]
    done = command("--multirun", "sweep.resume=latest")
    assert done.code == 0, done.output
    kept = ("number", "state", "params", "values", "curve")
    trials = [[{key: each[key] for key in kept} for each in study_of(folder)["trials"]] for folder in (broken, whole)]
    assert trials[0] == trials[1]
    for job in broken.glob("*-mlp*"):
        assert metrics_of(job, "validation/loss") == metrics_of(whole / job.name, "validation/loss")
    again = command("--multirun", f"sweep.resume={broken}")
    assert (again.code, "this sweep is finished: all trials are done" in again.output) == (0, True), again.output
    more = command("--multirun", f"sweep.resume={broken}", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=6")
    assert more.code == 0, more.output
    assert len(study_of(broken)["trials"]) == 6
    other = command("--multirun", f"sweep.resume={broken}", "epochs=3")
    assert (other.code, "epochs=3: the study was begun without" in other.output) == (2, True), other.output


@pytest.mark.long
def test_a_second_command_with_more_trials_goes_on_to_the_same_study(command):
    study = ("hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=mine")
    first = command(*TUNE, *SEEDED, LR, "epochs=1", *study, "hydra.sweeper.n_trials=2")
    assert first.code == 0, first.output
    assert "Best: trial" in first.output
    second = command(*TUNE, *SEEDED, LR, "epochs=1", *study, "hydra.sweeper.n_trials=3")
    assert second.code == 0, second.output
    newest = second.folders[-1]
    assert len(study_of(newest)["trials"]) == 3
    assert len(outcomes(newest)) == 1
    other = command(*TUNE, *SEEDED, LR, "epochs=2", *study, "hydra.sweeper.n_trials=4")
    assert other.code == 2
    assert "that study was begun with" in other.output
    assert "epochs=2" in other.output
