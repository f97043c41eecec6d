"""A run's model in MLflow: there once, linked, registered, whenever its sending breaks off; and what is no model."""

import json
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer import inference
from mnist_trainer.errors import DataError
from mnist_trainer.inference.model_file import Description, write_model
from mnist_trainer.journal.events import DatasetEvent, Evaluated, ModelEvent, Register
from mnist_trainer.shipping import model as sending
from mnist_trainer.shipping.delivery import delivery_of
from mnist_trainer.shipping.fetched import load_from_mlflow
from mnist_trainer.shipping.packed_model import pack
from mnist_trainer.shipping.served_code import copy_code, import_closure
from mnist_trainer.shipping.sync import send_unsent


class Killed(BaseException):
    """What ends a process between two calls."""


class Calls:
    """A client that is killed before, or after, its n-th call that writes."""

    READS = ("get_", "search_")

    def __init__(self, client, after, kill):
        self._client, self._left, self._kill = client, after, kill

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name.startswith(("_", *self.READS)) or not callable(method):
            return method

        def call(*arguments, **options):
            if self._left == 0 and self._kill == "before":
                raise Killed
            answer = method(*arguments, **options)
            if self._left == 0:
                raise Killed
            self._left -= 1
            return answer

        return call


def left_model(folder, shape=(4, 5, 1)):
    """Write a model file as a run does; return its classifier."""
    rng = np.random.default_rng(0)
    about = Description(
        layers=[{"kind": "flatten"}, {"kind": "linear", "units": 3}],
        outputs="logits",
        dtype="float32",
        image_shape=list(shape),
        scale=1 / 255,
        shift=0.0,
        class_names=["a", "b", "c"],
        data={"name": "mine"},
    )
    size = int(np.prod(shape))
    arrays = {
        "1.weights": rng.standard_normal((size, 3)).astype(np.float32),
        "1.bias": rng.standard_normal(3).astype(np.float32),
    }
    write_model(folder / "model.npz", about, arrays, rng.integers(0, 256, (1, *shape), np.uint8))
    return inference.load(folder)


@pytest.fixture
def finished(begin):
    """Write the journal of a finished run that has left a model."""

    def make(name="a", *, status="FINISHED", parent=None, asked=None):
        run = name[-1] * 32
        journal = begin(name, run=run, parent=parent)
        journal.write(DatasetEvent(name="mine", digest="0123", source="here", schema={}, profile={}))
        journal.metrics(7, {"train/loss": 1.0})
        journal.metrics(7, {"test/loss": 0.5, "test/accuracy": 0.75})
        left_model(journal.folder)
        journal.write(ModelEvent(name="model.npz"))
        if asked:
            journal.write(Register(run=run, **asked))
        journal.end(status)
        journal.close()
        return journal.folder

    return make


def models_of(client, run_id=None):
    found = client.search_logged_models(["1"])
    return [model for model in found if run_id in (None, model.source_run_id)]


def check(client, rows, run_id):
    (model,) = models_of(client)
    assert (str(model.status), model.name, model.source_run_id) == ("READY", "model", run_id)
    outputs = client.get_run(run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [model.model_id]
    assert {(metric.key, metric.value, metric.step, metric.dataset_name) for metric in model.metrics} == {
        ("test/loss", 0.5, 7, "mine"),
        ("test/accuracy", 0.75, 7, "mine"),
    }
    assert rows("select count(*) from metrics") == [(3,)]
    assert rows("select count(*) from logged_model_metrics") == [(2,)]
    versions = client.search_model_versions("name = 'mine'")
    assert [(version.run_id, version.source) for version in versions] == [(run_id, f"models:/{model.model_id}")]
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "mine", "version": 1}]
    assert client.get_registered_model("mine").aliases == {"best": 1}
    return Path(model.artifact_location.removeprefix("file://"))


REGISTERED = {"name": "mine", "alias": "best"}


def test_a_finished_run_s_model_is_logged_linked_and_registered(outputs, finished, client, rows):
    folder = finished(asked=REGISTERED)
    report = send_unsent([folder], store_folder=outputs)
    assert (report.summary(), report.error) == ("sent 1 run", None)
    place = check(client, rows, report.runs[0].run_id)
    assert {path.name for path in place.iterdir()} >= {"MLmodel", "requirements.txt", "input_example.json", "code"}
    requirements = (place / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in requirements] == ["mlflow", "numpy"]
    example = json.loads((place / "serving_input_example.json").read_text())
    assert np.shape(example["inputs"]) == (1, 4, 5)
    modules = {path.relative_to(place / "code").parts[1] for path in (place / "code").rglob("*.py")}
    assert not modules & {"config.py", "composition.py", "build.py", "training", "runs", "tasks", "shipping", "api.py"}


@pytest.mark.parametrize("kill", ["before", pytest.param("after", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=pytest.mark.long if place != 4 else ()) for place in range(11)]
)
def test_killed_between_any_two_calls_and_sent_again_it_is_there_once(
    outputs, finished, client, rows, monkeypatch, place, kill
):
    folder = finished(asked=REGISTERED)
    calls = []

    def killed(folder, store, run_id):
        calls.append(store)
        store.client = Calls(real := store.client, place, kill)
        try:
            sending_model(folder, store, run_id)
        finally:
            store.client = real

    sending_model = sending.send_model
    monkeypatch.setattr("mnist_trainer.shipping.mlflow_run.send_model", killed)
    reached = False
    try:
        send_unsent([folder], store_folder=outputs)
    except Killed:
        reached = True
    monkeypatch.undo()
    assert calls
    assert reached == (place < 10)  # of that many calls
    (folder / "shipping.lock").unlink(missing_ok=True)
    assert send_unsent([folder], store_folder=outputs).error is None
    check(client, rows, client.search_runs(["1"])[0].info.run_id)


def test_a_run_that_is_not_finished_has_no_model(outputs, finished, client):
    send_unsent([finished(status="FAILED")], store_folder=outputs)
    assert models_of(client) == []


def test_a_model_that_can_t_be_packed_is_told_and_the_run_is_sent(outputs, finished, client, caplog):
    folder = finished()
    (folder / "model.npz").write_bytes(b"damaged")
    report = send_unsent([folder], store_folder=outputs)
    assert report.summary() == "sent 1 run"
    assert client.get_run(report.runs[0].run_id).info.status == "FINISHED"
    assert "what it says of models is not sent" in caplog.text
    assert "not a readable model file" in caplog.text
    assert [str(model.status) for model in models_of(client)] != ["READY"]


@pytest.mark.long
def test_an_alias_stays_with_a_later_version(outputs, finished, client):
    for name in "ab":
        send_unsent([finished(name, asked=REGISTERED)], store_folder=outputs)
    assert client.get_registered_model("mine").aliases == {"best": 2}
    (outputs / "a" / "shipped.json").unlink()
    send_unsent([outputs / "a"], store_folder=outputs)
    assert client.get_registered_model("mine").aliases == {"best": 2}
    assert len(client.search_model_versions("name = 'mine'")) == 2


def test_what_is_served_imports_nothing_but_numpy():
    rooms = {name.split(".")[1] for name in import_closure(["mnist_trainer.inference.served"]) if "." in name}
    assert rooms == {
        *("errors", "files", "hyperparameters", "parameter_files", "sealed", "kernels", "layers", "losses"),
        *("optimizers", "schedules", "model", "registry", "layer_list", "inference", "slips", "process"),
    }


def test_a_plugin_goes_along_or_is_named(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text("import numpy as np\nfrom mnist_trainer.api import Layer, register_layer\n")
    paths = copy_code(tmp_path / "copy", [plugin])
    assert [path.name for path in paths] == ["mnist_trainer", "mine.py"]
    assert "register_layer" in (tmp_path / "copy" / "mnist_trainer" / "api.py").read_text()
    plugin.write_text("import hydra\n")
    with pytest.raises(DataError, match=r"mine\.py imports hydra, which is not there where a model is served"):
        copy_code(tmp_path / "other", [plugin])
    plugin.unlink()
    with pytest.raises(DataError, match="can't be read"):
        copy_code(tmp_path / "third", [plugin])


def test_a_model_is_loaded_from_mlflow_by_run_by_id_and_by_alias(outputs, finished, client, tmp_path):
    report = send_unsent([finished(asked=REGISTERED)], store_folder=outputs)
    uri, (model,) = f"sqlite:///{outputs}/mlflow.db", models_of(client)
    expected = inference.load(outputs / "a")
    images = np.random.default_rng(1).integers(0, 256, (5, 4, 5), np.uint8)
    run_id = report.runs[0].run_id
    for name in (f"runs:/{run_id}/model", f"models:/{model.model_id}", "models:/mine@best", "models:/mine/1"):
        np.testing.assert_array_equal(load_from_mlflow(name, uri).logits(images), expected.logits(images))
    for name in ("runs:/nowhere/model", "models:/nowhere@best", "models:/mine@worst", "models:/", "runs:/"):
        with pytest.raises(DataError, match=name):
            load_from_mlflow(name, uri)
    with pytest.raises(DataError, match="none that was trained here"):
        load_from_mlflow(f"runs:/{run_id}/journal.jsonl", uri)


def test_an_evaluation_is_linked_to_the_model_that_it_is_of(outputs, finished, begin, client):
    send_unsent([finished()], store_folder=outputs)
    journal = begin("b", kind="evaluation")
    journal.write(DatasetEvent(name="other", digest="4567", source="there", schema={}, profile={}))
    journal.metrics(7, {"test/loss": 0.7, "test/accuracy": 0.5})
    journal.write(Evaluated("a" * 32))
    journal.end("FINISHED")
    journal.close()
    for _ in range(2):
        report = send_unsent([outputs / "b"], store_folder=outputs)
        assert report.error is None
        (outputs / "b" / "shipped.json").unlink()
    (model,) = models_of(client)
    run = client.get_run(report.runs[0].run_id)
    assert [each.model_id for each in run.inputs.model_inputs] == [model.model_id]
    found = sorted((metric.dataset_name, metric.value) for metric in model.metrics if metric.key == "test/accuracy")
    assert found == [("mine", 0.75), ("other", 0.5)]


@pytest.mark.long
@pytest.mark.parametrize("first", ["sweep", "job"])
def test_of_a_sweep_the_best_is_registered_whichever_journal_comes_last(outputs, begin, finished, client, first):
    sweep = begin("s", kind="sweep", run="5" * 32)
    folders = [finished(f"s/{name}", parent="5" * 32) for name in "ab"]
    sweep.write(Register(run="b" * 32, **REGISTERED))
    sweep.end("FINISHED")
    sweep.close()
    store_folder = {"store_folder": outputs}
    if first == "job":
        for folder in folders:
            delivery = delivery_of(folder, **store_folder)
            while delivery.pump():
                pass
            delivery.release()
    assert send_unsent([outputs / "s"], **store_folder).error is None
    (version,) = client.search_model_versions("name = 'mine'")
    assert client.get_run(version.run_id).data.tags["mnist_trainer.run"] == "b" * 32
    assert client.get_registered_model("mine").aliases == {"best": 1}
    assert len(models_of(client)) == 2


def test_packing_a_model_doesn_t_look_through_all_installed_packages(tmp_path, monkeypatch):
    import importlib_metadata
    import mlflow
    from mlflow.utils import requirements_utils

    for name in ("_MODULES_TO_PACKAGES", "_PACKAGES_TO_MODULES"):  # that MLflow has looked before changes nothing
        monkeypatch.setattr(requirements_utils, name, None)
    looked = []
    monkeypatch.setattr(importlib_metadata, "packages_distributions", lambda: looked.append(1) or {})
    left_model(tmp_path)
    path, _ = pack(tmp_path / "model.npz", tmp_path, [], "a run", None)
    assert not looked
    wanted = [f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}"]
    assert (path / "requirements.txt").read_text().split() == wanted
