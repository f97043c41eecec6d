"""Jobs on hosts without the sweep's folder: what is handed down, which store serves, and what comes back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mnist_trainer.composition import compose
from mnist_trainer.errors import ConfigError
from mnist_trainer.runs.tracked import Tracked
from mnist_trainer.sweeps.apart import HANDED_DOWN, HandedDown, check
from mnist_trainer.sweeps.jobs import read_jobs
from mnist_trainer.sweeps.names import job_in_mlflow

SWEEP = "3f2504e04f8941d39a0c0305e82c3301"
SERVER = "http://tracking.example:5000"
TINY = ("--multirun", "data=digits", "model.hidden=[8]", "epochs=1", "seed=0,1", "sweep.shared_folder=false")


def tracked(uri, name="mlflow"):
    return Tracked(replace(compose([f"tracking={name}"]).tracking, uri=uri), Path("outputs").absolute())


def test_what_is_handed_down_is_what_a_job_reads(monkeypatch):
    told = HandedDown(SWEEP, ["seed=0,1", "model.hidden=[8],[16]", "name='${task.label} \"x\"'"], SERVER, "digits")
    key, _, value = told.override.partition("=")
    assert key == f"+hydra.job.env_set.{HANDED_DOWN}"
    monkeypatch.setenv(HANDED_DOWN, value.strip("'"))
    assert HandedDown.read() == told


def test_a_job_of_a_sweep_with_its_folder_is_told_nothing():
    assert HandedDown.read() is None


def test_a_job_has_the_same_run_on_whatever_host_and_no_two_have_the_same():
    told = HandedDown(SWEEP, [], SERVER, None)
    one, again, other = (told.run_of(Path(name)) for name in ("/a/0-mlp", "/b/c/0-mlp", "/a/1-mlp"))
    assert one == again
    assert one != other
    assert HandedDown(SWEEP.replace("3f", "4f"), [], SERVER, None).run_of(Path("/a/0-mlp")) != one


def test_a_job_is_called_in_mlflow_as_in_a_sweep_with_its_folder():
    told = HandedDown(SWEEP, ["loss=fused,separate", "seed=0,1"], SERVER, None)
    assert job_in_mlflow(told.record, ["loss=separate", "seed=1"]).name == "separate s1"


@pytest.mark.parametrize(
    ("uri", "name", "has"),
    [
        (None, "mlflow", "tracking.uri=sqlite:///"),
        ("sqlite:///own.db", "mlflow", "tracking.uri=sqlite:///"),
        ("postgresql://user@host/database", "mlflow", "tracking.uri=postgresql://user@host/database"),
        (SERVER, "'off'", "tracking=off"),
    ],
)
def test_a_store_that_other_hosts_do_not_reach_is_refused(uri, name, has):
    with pytest.raises(ConfigError, match="an MLflow server that all hosts reach") as caught:
        check(tracked(uri, name), None, tuned=False)
    assert has in str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize("storage", [None, "study.log", "sqlite:///study.db"])
def test_a_study_in_a_file_is_refused(storage):
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.storage"):
        check(tracked(SERVER), storage, tuned=True)
    check(tracked(SERVER), "postgresql://user@host/database", tuned=True)


def test_it_is_refused_before_anything_is_written(command):
    done = command(*TINY)
    assert (done.code, "sweep.shared_folder=false" in done.output, "Traceback" in done.output) == (2, True, False)
    assert [path for path in done.folder.rglob("*") if path.is_file()] == []


def test_what_was_brought_back_reads_as_a_job_of_the_sweep(tmp_path):
    (tmp_path / "0-mlp").mkdir()
    (tmp_path / "away" / "0-mlp").mkdir(parents=True)
    (tmp_path / "0-mlp" / "outcome.json").write_text(
        json.dumps({"status": "FAILED", "reason": "diverged at step 3", "overrides": []})
    )
    (job,) = read_jobs(tmp_path, [["seed=7"]])
    assert (job.ending.reason, job.overrides, job.diverged) == ("diverged at step 3", ["seed=7"], True)
