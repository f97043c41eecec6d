"""What a run has learned, loaded again: the same answers as its trainer's, with NumPy alone; or refused in words."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mnist_trainer import api, inference, registry
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.errors import DataError, MnistTrainerError
from mnist_trainer.files import BEST, LAST, MODEL
from mnist_trainer.inference.model_file import Description, read_model, write_model
from mnist_trainer.parameter_files import load_parameters
from mnist_trainer.runs.learned import (
    classifier_of_trainer,
    data_of_learned,
    describe_learned,
    learned_arrays,
    preparation_for,
)
from mnist_trainer.sealed import read_sealed, write_sealed

MODELS = ["linear", "mlp", "lenet5", "cnn", "cnn_small", "resnet_mini", "residual_mlp"]


@pytest.fixture(scope="module")
def digits():
    return build_data(api.compose(["data=digits"]).data)


def trained(digits, *choices, updates=3):
    config = api.compose(["data=digits", *choices])
    trainer, test = build_trainer(config, digits)
    for _ in zip(range(updates), trainer.updates(), strict=False):
        pass
    return trainer, test


def saved(path, trainer, digits):
    about = describe_learned(trainer, digits, {"name": "a run", "test_accuracy": 0.5})
    write_model(path, about, learned_arrays(trainer), digits.test_images[:1])
    return path


def outputs_of(trainer, test):
    rows = [trainer.model.forward(x, training=False).copy() for x, _ in test]
    return np.concatenate(rows)


@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_model_gives_the_logits_of_its_trainer_to_the_bit(digits, tmp_path, model):
    trainer, test = trained(digits, f"model={model}")
    classifier = inference.load(saved(tmp_path / MODEL, trainer, digits))
    np.testing.assert_array_equal(classifier.logits(digits.test_images), outputs_of(trainer, test))


@pytest.mark.parametrize("loss", ["separate", "mistakes/posted_answer", "mistakes/double_softmax", "mistakes/clipped"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_softmax_that_a_loss_has_put_behind_the_model_is_not_needed(digits, tmp_path, loss, dtype):
    trainer, test = trained(digits, "model.hidden=[8]", f"loss={loss}", f"dtype={dtype}")
    classifier = inference.load(saved(tmp_path / MODEL, trainer, digits))
    expected = outputs_of(trainer, test)
    np.testing.assert_allclose(classifier.probabilities(digits.test_images), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(classifier.predict(digits.test_images), expected.argmax(axis=1))


def test_a_run_leaves_a_model_that_has_its_accuracy_to_the_digit(command):
    done = command("data=digits", "epochs=2", "tracking=off", "model.hidden=[16]")
    outcome = json.loads((done.run / "outcome.json").read_text())
    classifier, data = inference.load(done.run), build_data(api.compose(["data=digits"]).data)
    scores = classifier.evaluate(data.test_images, data.test_labels)
    assert scores.accuracy == outcome["test_accuracy"]
    assert scores.loss == pytest.approx(outcome["test_loss"], rel=1e-5)
    about = classifier.description
    assert about.result["test_accuracy"] == outcome["test_accuracy"]
    assert (about.data["name"], about.data["digest"]) == ("digits", data.digest)
    assert data_of_learned(about).name == "digits"
    assert (about.preparation, about.classes) == ("digits", 10)
    assert f"{outcome['test_accuracy']:.2%}" in repr(classifier)


def test_best_and_last_are_the_parameter_files_beside_it(command, tmp_path):
    done = command("data=digits", "epochs=3", "tracking=off", "model.hidden=[16]", "trainer.restore_best=true")
    for which, name in (("best", BEST), ("last", LAST), ("tested", BEST)):
        wanted = {key: array.copy() for key, array in inference.load(done.run).arrays.items()}
        load_parameters(done.run / name, wanted)
        for classifier in (inference.load(done.run, which), inference.load(done.run / MODEL, which)):
            for key, array in classifier.arrays.items():
                np.testing.assert_array_equal(array, wanted[key])
    np.testing.assert_array_equal(
        inference.load(done.run / LAST).arrays["1.weights"], inference.load(done.run, "last").arrays["1.weights"]
    )
    alone = shutil.copy(done.run / MODEL, tmp_path / "mine.npz")
    inference.load(alone)
    with pytest.raises(DataError, match="the model file alone has the parameters that were tested"):
        inference.load(alone, "best")


def test_python_loads_a_result_a_trainer_and_the_latest(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"latest: no finished run with a model\.npz in outputs"):
        api.load("latest")
    result = api.train("data=digits", "tracking=off", "epochs=1", "model.hidden=[8]")
    scores = api.load(result).evaluate(digits.test_images, digits.test_labels)
    assert scores.accuracy == result.test_accuracy
    assert api.load("latest").description == api.load(result.folder).description
    trainer, test = trained(digits, "model.hidden=[8]")
    classifier, before = api.load(trainer), outputs_of(trainer, test)
    trainer.fit()
    np.testing.assert_array_equal(classifier.logits(digits.test_images), before)


LOADED = """
import sys, numpy
before = set(sys.modules)
import mnist_trainer.inference
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))
print(*sorted({".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("mnist_trainer.")}))
"""
GROUND = {"errors", "files", "hyperparameters", "parameter_files", "process", "sealed", "slips"}
NUMERICS = {"kernels", "layers", "losses", "optimizers", "schedules", "model", "layer_list", "registry"}


def test_it_leaves_out_the_random_numbers_that_no_trained_model_draws(tmp_path):
    code = """import sys, numpy
before = "numpy.random" in sys.modules  # of some versions
import mnist_trainer.inference
sys.exit("numpy.random" in sys.modules and not before)"""
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_it_loads_numpy_and_the_numerics_alone(tmp_path):
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=tmp_path)
    foreign, own = done.stdout.splitlines()
    others = {name for name in foreign.split() if not name.startswith(("_", "cython_runtime"))}  # numpy.random's
    assert others <= {"mnist_trainer", "numpy"}
    assert {name.partition(".")[2] for name in own.split()} == GROUND | NUMERICS | {"inference"}


def test_a_plugin_s_layer_is_imported_where_it_can_be_and_named_where_it_can_t(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "doubling.py").write_text(
        "from dataclasses import dataclass\n"
        "from mnist_trainer.api import Layer, register_layer\n\n"
        "@register_layer('doubled')\n@dataclass(eq=False)\nclass Doubled(Layer):\n"
        "    def forward(self, x, *, training):\n        return 2 * x\n\n"
        "    def backward(self, dy, *, need_dx=True):\n        return 2 * dy\n"
    )
    layers = "model.layers=[{kind: flatten}, {kind: doubled}, {kind: linear, units: 10}]"
    trainer, test = trained(digits, "plugins=[doubling]", "model=custom", layers)
    path = saved(tmp_path / MODEL, trainer, digits)
    assert read_model(path)[0].plugins == ["doubling"]
    del registry.layers._classes["doubled"], sys.modules["doubling"]
    np.testing.assert_array_equal(inference.load(path).logits(digits.test_images), outputs_of(trainer, test))
    del registry.layers._classes["doubled"], sys.modules["doubling"]
    (tmp_path / "doubling.py").unlink()
    with pytest.raises(DataError, match=r"can't import 'doubling'.*registered by doubling: import it first"):
        inference.load(path)


def test_a_layer_without_a_name_leaves_no_model_file_and_a_line_that_says_why(digits, tmp_path, monkeypatch, caplog):
    from mnist_trainer.runs.learned import write_learned

    trainer, _ = trained(digits, "model.hidden=[8]")
    monkeypatch.setattr(registry.layers, "_classes", {})
    assert not write_learned(tmp_path, trainer, digits, {}, None)
    assert "no model.npz: Flatten is registered under no name" in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def model(digits, tmp_path_factory):
    trainer, _ = trained(digits, "model.hidden=[4]")
    return saved(tmp_path_factory.mktemp("model") / MODEL, trainer, digits)


def test_every_damaged_byte_is_told(model, tmp_path):
    sound, rng = model.read_bytes(), np.random.default_rng(0)
    path = tmp_path / MODEL
    for place in rng.integers(0, len(sound), 60):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x55]) + sound[place + 1 :])
        with contextlib.suppress(DataError):  # unless the byte says nothing: of a date in the archive's directory, say
            inference.load(path)
        path.write_bytes(sound[:place])
        with pytest.raises(DataError, match="not a readable model file"):
            inference.load(path)


def changed_document(model, path, **values):
    arrays, document = read_sealed(model, "model file", version=1, others="others")
    document = {key: value for key, value in {**document, **values}.items() if key != "format"}
    write_sealed(path, arrays, document, version=values.get("format", 1))
    return path


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"format": 2}, "a model file of format 2; this version reads 1"),
        ({"layers": "many"}, "layers='many' has the wrong type"),
        ({"layers": []}, "of another model"),
        ({"layers": [{"kind": "flatten"}, {"kind": "linear", "units": 5}]}, "layers end in (5,), for 10 classes"),
        ({"layers": [{"kind": "flatter"}]}, "unknown kind of layer 'flatter'; did you mean 'flatten'?"),
        ({"layers": [{"kind": "flatten"}, {"kind": "conv2d", "filters": 1, "kernel": 3}]}, "layers.1 (Conv2d)"),
        ({"image_shape": [28, 28]}, "must be height, width and channels"),
        ({"image_shape": [8, 8, 1]}, "its example is no image of [8, 8, 1]"),
        ({"image_shape": [28, 0, 1]}, "image_shape=[28, 0, 1] is out of range"),
        ({"class_names": []}, "class_names is empty"),
        ({"outputs": "wishes"}, "outputs='wishes' is unknown"),
        ({"dtype": "float16"}, "dtype='float16' is unknown"),
        ({"scale": float("nan")}, "scale=nan is out of range: must be finite"),
        ({"preparation": None}, "preparation=None has the wrong type"),
        ({"plugins": ["nowhere_to_be_found"], "layers": [{"kind": "strange"}]}, "can't import 'nowhere_to_be_found'"),
    ],
)
def test_a_document_that_describes_no_model_is_told(model, tmp_path, values, said):
    with pytest.raises(DataError) as error:
        inference.load(changed_document(model, tmp_path / MODEL, **values))
    if said != "of another model":
        assert said in str(error.value)
    assert str(tmp_path / MODEL) in str(error.value)


@pytest.mark.parametrize("what", ["nowhere", "empty", "sweep", "killed", "text", "last", "checkpoint", "pipe"])
def test_what_is_no_model_is_told_and_what_would_fit(model, tmp_path, what):
    (tmp_path / "empty").mkdir()
    (tmp_path / "sweep" / "0-a").mkdir(parents=True)
    shutil.copy(model, tmp_path / "sweep" / "0-a" / MODEL)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "journal.jsonl").touch()
    (tmp_path / "text").write_text("weights")
    os.mkfifo(tmp_path / "pipe")
    places = {"last": "killed/last.npz", "checkpoint": "killed/checkpoint.npz"}
    np.savez(tmp_path / "killed" / "last.npz", a=np.zeros(3))
    np.savez(tmp_path / "killed" / "checkpoint.npz", a=np.zeros(3))
    wanted = {
        "nowhere": "no such file or folder; name a run's folder, or a model.npz",
        "empty": "no model.npz in this folder",
        "sweep": "name one of the folders in it that have one, as ",
        "killed": "a run writes it at its end",
        "text": "not a readable model file",
        "last": "parameters alone, without the model.npz",
        "checkpoint": "no model file: it has no document and sha256",
        "pipe": "not a file",
    }
    with pytest.raises(DataError, match=wanted[what]):
        inference.load(tmp_path / places.get(what, what))


@pytest.mark.parametrize("path", [None, 5, b"\0", ["a"], np.zeros(3)])
def test_what_is_no_path_is_told(path):
    with pytest.raises(MnistTrainerError, match=r"name a run's folder, or a model\.npz"):
        inference.load(path)


def test_parameters_that_are_another_model_s_are_told(model, digits, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(model, folder / MODEL)
    np.savez(folder / LAST, **{"1.weights": np.zeros((3, 3), np.float32)})
    with pytest.raises(DataError, match=r"last\.npz: parameters of another model"):
        inference.load(folder, "last")
    with pytest.raises(DataError, match="which='first': must be one of tested, best, last"):
        inference.load(folder, "first")


def test_a_description_is_what_was_written(digits, tmp_path):
    trainer, _ = trained(digits, "model=residual_mlp")
    description = describe_learned(trainer, digits, {"name": "a"})
    write_model(tmp_path / MODEL, description, learned_arrays(trainer), digits.test_images[4:5])
    found, _, example = read_model(tmp_path / MODEL)
    np.testing.assert_array_equal(example, digits.test_images[4:5])
    assert found == replace(description)
    assert isinstance(found, Description)
    assert classifier_of_trainer(trainer, digits).description.layers == found.layers


@pytest.mark.parametrize(
    ("data", "preparation"),
    [
        *(("mnist", "mnist"), ("qmnist", "mnist"), ("emnist_letters", "mnist"), ("digits", "digits")),
        *(("fashion_mnist", "scaled"), ("kmnist", "scaled"), ("mine", "scaled")),
    ],
)
def test_pictures_are_prepared_as_the_set_s_own_were(data, preparation):
    assert preparation_for(data) == preparation
