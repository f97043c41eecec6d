"""From the command to MLflow's store: runs, sweeps, and many at once."""

import json
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mnist_trainer.figures import style

TINY = ("data=digits", "model.hidden=[8]", "epochs=2", "trainer.log_every=4", "tracking.wait_seconds=300")
HEAVY = ("mlflow", "matplotlib", "sklearn", "pandas")
CHECKED = f"""
import sys
from mnist_trainer.__main__ import main
try:
    main()
finally:
    print("loaded:", sorted({{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""


@dataclass
class Tracked:
    """A command that ran, and a client of the store that it made."""

    code: int
    output: str
    folder: Path
    client: Any

    def runs(self, experiment="digits"):
        found = self.client.get_experiment_by_name(experiment)
        return self.client.search_runs([found.experiment_id], order_by=["attributes.start_time"])

    def artifacts(self, run):
        return {file.path for file in self.client.list_artifacts(run.info.run_id)}

    def history(self, run, metric):
        return [(item.step, item.value) for item in self.client.get_metric_history(run.info.run_id, metric)]


@pytest.fixture(scope="module")
def environment():
    return {key: os.environ[key] for key in os.environ if key not in ("MNIST_ROOT", "MLFLOW_TRACKING_URI")}


@pytest.fixture(scope="module")
def client_of():
    def make(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's imports warn of their own dependencies' plans
            from mlflow.tracking import MlflowClient

            return MlflowClient(f"sqlite:///{folder / 'outputs' / 'mlflow.db'}")

    return make


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, environment, client_of):
    def run(*arguments):
        folder = tmp_path_factory.mktemp("tracked")
        command = [sys.executable, "-c", CHECKED, *arguments]
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return Tracked(done.returncode, done.stdout, folder, client_of(folder))

    return run


@pytest.fixture(scope="module")
def one(tracked):
    """A run, tracked in a new store."""
    return tracked(*TINY)


@pytest.fixture(scope="module")
def sweep(tracked):
    """Two modes at two learning rates, tracked in a new store."""
    return tracked("--multirun", *TINY, "loss=fused,separate", "optimizer.lr=0.1,0.2", "seed=3")


def test_a_run_is_in_mlflow_with_its_name_parameters_tags_data_and_status(one):
    assert one.code == 0, one.output
    (run,) = one.runs()
    assert (run.info.run_name, run.info.status) == ("mlp-fused-sgd-b128-s0", "FINISHED")
    wanted = {"optimizer.lr": "0.1", "loss.name": "fused", "batch_size": "128", "model.hidden": "[8]", "epochs": "2"}
    assert run.data.params.items() >= wanted.items()
    wanted = {"loss.mode": "fused", "loss.exact": "true", "data.name": "digits", "model": "mlp"}
    assert run.data.tags.items() >= wanted.items()
    root = Path(__file__).parents[2]
    commit = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert run.data.tags.get("git.commit", "") == commit.stdout.strip()
    assert run.data.tags["host"]
    if commit.stdout:
        assert run.data.tags["mlflow.source.git.commit"] == commit.stdout.strip()
        assert run.data.tags["mlflow.source.git.branch"]
    sets = {
        tag.value: (data.dataset.name, json.loads(data.dataset.profile)["num_rows"])
        for data in run.inputs.dataset_inputs
        for tag in data.tags
    }
    assert sets == {"training": ("digits", 1300), "validation": ("digits", 137), "testing": ("digits", 360)}
    (features,) = json.loads(json.loads(run.inputs.dataset_inputs[0].dataset.schema)["mlflow_tensorspec"]["features"])
    assert features == {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28, 28, 1]}}
    assert not [key for key in run.data.params if key.startswith(("tracking.", "task.", "trainer.progress", "outputs"))]
    assert run.data.params["model.parameters"] == "6370"  # 784·8 + 8 + 8·10 + 10
    assert one.artifacts(run) >= {
        *("config.yaml", "model_summary.txt", "last.npz", "best.npz"),
        *("learning_curves.png", "confusion_matrix.png"),
    }


def test_its_metrics_are_the_journals_at_steps_that_count_updates(one, metrics_of):
    (run,) = one.runs()
    (folder,) = one.folder.glob("outputs/[0-9]*/*/")
    assert [step for step, _ in one.history(run, "train/loss")] == [4, 8, 11, 12, 16, 20, 22]
    assert [step for step, _ in one.history(run, "validation/accuracy")] == [11, 22]
    assert set(run.data.metrics) == {
        *("train/loss", "train/accuracy", "learning_rate", "gradient_norm", "epoch"),
        *("validation/loss", "validation/accuracy", "samples_per_second", "epoch_seconds"),
        *("test/loss", "test/accuracy", "test/precision", "test/recall"),
        *("system/process_cpu_percentage", "system/process_memory_megabytes"),
    }
    for metric in run.data.metrics:
        assert one.history(run, metric) == metrics_of(folder, metric)
    outcome = json.loads((folder / "outcome.json").read_text())
    assert run.data.metrics["test/accuracy"] == outcome["test_accuracy"]


def test_the_output_names_the_run_and_the_command_that_opens_the_ui(one):
    (run,) = one.runs()
    assert f"run {run.info.run_id} is FINISHED" in one.output
    store = one.folder / "outputs" / "mlflow.db"
    assert f"-m mlflow ui --backend-store-uri sqlite:///{store}" in one.output
    experiment = f"http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}"
    assert f"    {experiment}/runs/{run.info.run_id}?workflowType=machine_learning\n" in one.output
    assert f"    {experiment}/runs?viewStateShareKey=mnist_trainer&workflowType=machine_learning\n" in one.output


def test_the_experiment_s_table_has_the_figures_and_a_description(one):
    (run,) = one.runs()
    tags = one.client.get_experiment(run.info.experiment_id).tags
    columns = json.loads(tags["mlflow.sharedViewState.mnist_trainer"])["selectedColumns"]
    assert {"metrics.`test/accuracy`", "metrics.`test/loss`", "params.`seed`", "tags.`loss.mode`"} <= set(columns)
    assert tags["mlflow.note.content"].startswith("Networks trained by mnist_trainer")


def test_the_run_s_page_begins_with_its_result_in_its_mode_s_colour(one):
    (run,) = one.runs()
    assert run.data.tags["mlflow.note.content"].startswith(f"**Test accuracy {run.data.metrics['test/accuracy']:.2%}, ")
    assert run.data.tags["mlflow.runColor"] == style.PALETTE[0]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["one", "sweep"])
def test_the_training_process_loads_nothing_heavy_and_litters_nothing(request, kind):
    done = request.getfixturevalue(kind)
    assert done.output.rstrip().splitlines()[-1] == "loaded: []"
    assert [path.name for path in done.folder.iterdir()] == ["outputs"]


@pytest.mark.long
def test_a_sweep_is_a_parent_run_with_a_child_for_each_job_and_the_report(sweep):
    assert sweep.code == 0, sweep.output
    (parent,) = [run for run in sweep.runs() if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in sweep.runs() if run.info.run_id != parent.info.run_id]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    names = sorted(child.info.run_name for child in children)
    assert names == [f"{loss} lr={rate}" for loss in ("fused", "separate") for rate in ("0.1", "0.2")]
    rates = [(child.data.params["loss.name"], child.data.params["optimizer.lr"]) for child in children]
    assert sorted(rates) == [(loss, rate) for loss in ("fused", "separate") for rate in ("0.1", "0.2")]
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    assert not any("mlflow.runColor" in child.data.tags for child in children)  # each of its own: rates differ, too
    best = max(
        children, key=lambda run: (run.data.metrics["validation/accuracy"], -run.data.metrics["validation/loss"])
    )
    told = {key: value for key, value in parent.data.tags.items() if key.startswith("best.")}
    assert told == {"best.run_id": best.info.run_id, "best.job": best.info.run_name}
    description = parent.data.tags["mlflow.note.content"]
    assert description.startswith(f"**Best by validation: {best.info.run_name}**")
    assert f"/runs/{best.info.run_id}?" in description
    for what in ("test_accuracy", "test_loss"):
        assert parent.data.metrics[f"best/{what}"] == best.data.metrics[what.replace("_", "/")]
    (outcome,) = [json.loads(path.read_text()) for path in sweep.folder.glob("outputs/*/*/sweep.json")]
    assert outcome["best"]["folder"].startswith(f"{outcome['best']['job']}-")
    assert sweep.artifacts(parent) >= {"sweep.md", "sweep.json", "loss_modes.png"}
    assert all("confusion_matrix.png" in sweep.artifacts(child) for child in children)


BREAKING = """
import os
from dataclasses import dataclass
from mnist_trainer.api import Layer, register_layer

@register_layer("breaking")
@dataclass(eq=False)
class Breaking(Layer):
    count = 0

    def forward(self, x, *, training):
        self.count += training
        return x * float("inf") if self.count >= int(os.environ["BREAK_AT"]) else x

    def backward(self, dy, *, need_dx=True):
        return dy
"""


@pytest.mark.long
def test_a_run_that_diverged_tells_where_and_one_that_goes_on_what_came_of_it(spawn, tmp_path, client_of, monkeypatch):
    (tmp_path / "breaking.py").write_text(BREAKING)
    arguments = (*TINY, "plugins=[breaking]", "model.activation=breaking")
    seen = []
    for at, code in ((5, 1), (17, 1), (100, 0)):  # resumed, it diverges elsewhere, and then not at all
        monkeypatch.setenv("BREAK_AT", str(at))
        process = spawn(*arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == code, output
        (folder,) = tmp_path.glob("outputs/[0-9]*/*/")
        arguments = (f"resume={folder}",)
        (run,) = Tracked(code, output, tmp_path, client_of(tmp_path)).runs()
        found = [
            {key: value for key, value in kind.items() if key.startswith(("diverged", "failure"))}
            for kind in (run.data.params, run.data.tags)
        ]
        seen.append((run.info.status, *found))
    rate = seen[0][1]["diverged.learning_rate"]
    first = {"diverged.step": "5", "diverged.layer": "layers.2 (Breaking)", "diverged.loss": "fused"}
    assert seen[0][:2] == ("FAILED", first | {"diverged.learning_rate": rate})
    reason = seen[0][2].pop("failure.reason")
    assert reason.startswith("diverged at step 5: the loss is nan: the output of layers.2 (Breaking) is not finite; ")
    assert seen[0][2] == seen[0][1]
    status, params, tags = seen[1]
    assert (status, params) == ("FAILED", seen[0][1])  # MLflow's can't change
    assert (tags["diverged.step"], tags["failure.reason"][:19]) == ("17", "diverged at step 17")
    assert seen[2] == ("FINISHED", seen[0][1], {})


@pytest.mark.long
def test_eight_commands_at_once_lose_nothing(spawn, tmp_path, client_of, metrics_of, events_of):
    commands = [spawn(*TINY, "epochs=1", f"seed={seed}") for seed in range(8)]
    for command in commands:
        output, _ = command.communicate(timeout=300)
        assert command.returncode == 0, output
        assert "not sent" not in output
    store = Tracked(0, "", tmp_path, client_of(tmp_path))
    runs = {run.data.params["seed"]: run for run in store.runs()}
    assert sorted(runs) == [str(seed) for seed in range(8)]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for folder in tmp_path.glob("outputs/[0-9]*/*/"):
        run = runs[str(json.loads((folder / "outcome.json").read_text())["seed"])]
        for metric in run.data.metrics:
            assert store.history(run, metric) == metrics_of(folder, metric)
        told = {name for event in events_of(folder, "metrics") for name in event["metrics"]}
        assert run.data.metrics.keys() == told >= {"train/loss", "validation/accuracy", "test/accuracy"}
        assert "confusion_matrix.png" in store.artifacts(run)
