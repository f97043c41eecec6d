"""MLflow's environment is a contract: what it names is where runs go, from the command to a real store."""

import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

TINY = ("data=digits", "model.hidden=[8]", "epochs=1", "trainer.progress=false", "tracking.wait_seconds=300")
PROJECT = """
name: digits
entry_points:
  main:
    command: "{python} -m mnist_trainer {words} outputs={outputs}"
"""


@pytest.fixture
def store(outputs, monkeypatch):
    """The store that MLflow's environment names, and a client of it."""
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{outputs}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = MlflowClient(uri)
    client.create_experiment("theirs", (outputs / "theirs").as_uri())
    return client


@pytest.fixture
def runs(store):
    """The runs of all experiments but those of their own, oldest first, by experiment."""

    def found():
        experiments = {each.experiment_id: each.name for each in store.search_experiments()}
        every = store.search_runs(list(experiments), order_by=["attributes.start_time"])
        return [(experiments[run.info.experiment_id], run) for run in every]

    return found


@pytest.fixture
def train(command, outputs, tmp_path, monkeypatch):
    store = f"sqlite:///{outputs}/mlflow.db"

    def run(*arguments, **variables):
        with monkeypatch.context() as patch:
            for name, value in ({"MLFLOW_TRACKING_URI": store} | variables).items():
                patch.setenv(name, value)
            return command(*TINY, *arguments, folder=tmp_path / "work")

    return run


@pytest.mark.parametrize(("words", "status"), [((), "FINISHED"), (("optimizer.lr=1e30",), "FAILED")])
def test_mlflow_run_has_one_run_and_the_figures_are_in_it(store, runs, outputs, tmp_path, words, status):
    project = tmp_path / "project"
    project.mkdir()
    words = " ".join([*TINY, *words])
    (project / "MLproject").write_text(PROJECT.format(python=sys.executable, words=words, outputs=outputs / "ours"))
    arguments = ["run", str(project), "--env-manager", "local", "--experiment-name", "theirs"]
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", *arguments], cwd=project, capture_output=True, text=True, timeout=600
    )
    assert (done.returncode == 0) == (status == "FINISHED"), done.stderr
    ((experiment, run),) = runs()
    assert (experiment, run.info.status) == ("theirs", status)
    assert run.data.params["optimizer.lr"]
    assert "train/loss" in run.data.metrics
    assert ("test/accuracy" in run.data.metrics) == (status == "FINISHED")
    assert ("failure.reason" in run.data.tags) == (status == "FAILED")
    assert "RUNNING for now" in done.stdout + done.stderr  # `mlflow run` ends it


def test_a_run_that_has_ended_ends_the_command_before_anything_is_written(store, runs, train):
    run_id = store.create_run(store.get_experiment_by_name("theirs").experiment_id).info.run_id
    store.set_terminated(run_id, "FINISHED")
    for more in ((), ("--multirun", "seed=0,1"), ("task=compare",)):
        done = train(*more, MLFLOW_RUN_ID=run_id)
        assert done.code == 2
        assert f"MLFLOW_RUN_ID={run_id}: in sqlite:///" in done.output
        assert "it is FINISHED, and only a RUNNING run is logged into" in done.output
        assert "nothing begins before" not in done.output  # it has answered
        assert "Traceback" not in done.output
        assert done.folders == []
    assert len(runs()) == 1


def test_a_server_that_does_not_answer_ends_it_too(train):
    address = "http://127.0.0.1:9"
    done = train("tracking.wait_seconds=2", MLFLOW_TRACKING_URI=address, MLFLOW_RUN_ID="0" * 32)
    assert done.code == 2
    assert f"MLFLOW_RUN_ID={'0' * 32}: nothing begins before the store answers" in done.output
    assert done.folders == []


@pytest.mark.parametrize("more", [("--multirun", "loss=fused,separate"), ("task=compare", "task.timing=false")])
def test_of_a_sweep_or_a_comparison_it_is_the_parent(store, runs, train, more):
    run_id = store.create_run(store.get_experiment_by_name("theirs").experiment_id).info.run_id
    done = train(*more, "tracking.description=Mine.", "+tracking.tags.team=vision", MLFLOW_RUN_ID=run_id)
    assert done.code == 0, done.output
    (_, parent), *children = runs()
    assert parent.info.run_id == run_id
    assert parent.data.tags["mlflow.note.content"].startswith("Mine.\n\n")
    assert len(children) == 2
    for experiment, child in children:
        assert (experiment, child.info.status) == ("theirs", "FINISHED")
        assert child.data.tags["mlflow.parentRunId"] == run_id
        assert not child.data.tags["mlflow.note.content"].startswith("Mine.")
    assert {run.data.tags["team"] for _, run in runs()} == {"vision"}
    assert parent.info.status == "RUNNING"  # this process opened it, and is still there


def test_a_sweep_over_data_sets_stays_in_the_experiment_that_is_named(runs, train):
    done = train("--multirun", "data.validation_size=100,137", MLFLOW_EXPERIMENT_NAME="mine")
    assert done.code == 0, done.output
    assert [experiment for experiment, _ in runs()] == ["mine"] * 3
    assert {run.data.tags["data.name"] for _, run in runs()} == {"digits", "several data sets"}
