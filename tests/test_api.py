"""A user's own layer, loss and optimizer, by the command and from Python."""

import json
import logging

import numpy as np
import pytest

from mnist_trainer import api
from mnist_trainer.errors import ConfigError, DataError

TINY = ("data=digits", "tracking=off", "epochs=2")
PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mnist_trainer.api import Layer, Loss, Optimizer, hyperparameter, register_layer, register_loss, register_optimizer


@register_layer("scaled")
@dataclass(eq=False)
class Scaled(Layer):
    factor: float = hyperparameter(2.0, above=0)

    def forward(self, x, *, training):
        return self.factor * x

    def backward(self, dy, *, need_dx=True):
        return self.factor * dy


@register_loss("squares")
@dataclass(eq=False)
class Squares(Loss):
    weight: float = hyperparameter(1.0, above=0)

    expects: ClassVar = "probabilities"

    def forward(self, predictions, targets):
        self._error = predictions - np.eye(predictions.shape[1], dtype=predictions.dtype)[targets]
        return float(self.weight * np.square(self._error).sum(axis=1).mean())

    def backward(self, upstream=1.0):
        return upstream * self.weight * 2 / len(self._error) * self._error


@register_optimizer("signs")
@dataclass(eq=False)
class Signs(Optimizer):
    shrink: float = hyperparameter(0.0, minimum=0)

    def step(self, parameters, gradients, learning_rate):
        parameters -= np.float32(learning_rate) * (np.sign(gradients) + np.float32(self.shrink) * parameters)
"""
OWN = (
    "model=custom",
    "model.layers=[{kind: flatten}, {kind: scaled, factor: 0.5}, {kind: linear, units: 10}]",
    *("loss=custom", "loss.name=squares", "+loss.parameters.weight=0.5"),
    *("optimizer=custom", "optimizer.name=signs", "+optimizer.parameters.shrink=0.01"),
)


@pytest.fixture(autouse=True)
def _in_a_new_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plugin(tmp_path, request):
    """Write the plugin; a name of its own for each test, since Python keeps what it imported."""
    name = f"plugin_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    return name


def test_the_command_trains_with_a_plugins_layer_loss_and_optimizer(command, plugin, events_of):
    done = command(*TINY, f"plugins=[{plugin}]", *OWN)
    assert done.code == 0
    outcome = json.loads((done.run / "outcome.json").read_text())
    assert outcome["loss"] == "squares"
    assert outcome["test_accuracy"] > 0.5
    assert "Scaled(factor=0.5)" in done.output
    assert "Softmax()" in done.output  # the loss expects probabilities
    params = events_of(done.run, "params")[0]["params"]
    wanted = {"loss.name": "squares", "loss.parameters.weight": 0.5, "optimizer.parameters.shrink": 0.01}
    assert params.items() >= wanted.items()


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("optimizer.parameters.shrink=-1", "optimizer.parameters.shrink=-1 is out of range: must be at least 0"),
        ("+loss.parameters.wait=1", "loss.parameters.wait is unknown; did you mean 'weight'?"),
        ("loss.parameters.weight=heavy", "loss.parameters.weight='heavy' has the wrong type: must be a number"),
        ("model.layers=[{kind: scaled, factor: 0}]", "model.layers.0 (scaled): factor=0 is out of range"),
    ],
)
def test_a_plugins_parameters_are_checked_like_the_projects_own(command, plugin, override, wanted):
    done = command(*TINY, f"plugins=[{plugin}]", *OWN, override)
    assert done.code == 2
    assert wanted in done.output
    assert done.folders == []


def test_python_trains_as_the_command_does(command, tmp_path):
    overrides = [*TINY, "model.hidden=[8]", "loss=separate", "seed=4"]
    result = api.train(*overrides)
    (folder,) = tmp_path.glob("outputs/*/*")
    done = command(*overrides, folder=tmp_path / "by_command")
    outcome = json.loads((done.run / "outcome.json").read_text())
    for key in ("name", "data", "loss", "seed", "updates", "test_loss", "test_accuracy", "validation_loss"):
        assert getattr(result, key) == outcome[key]
    assert (folder / "last.npz").read_bytes() == (done.run / "last.npz").read_bytes()
    assert (folder / "journal.jsonl").exists()


def test_python_trains_with_what_a_notebook_registered(tmp_path):
    exec(PLUGIN, {"__name__": "notebook"})
    result = api.train(*TINY, *OWN)
    assert result.loss == "squares"
    assert result.test_accuracy > 0.5


def test_the_parts_work_one_by_one():
    config = api.compose([*TINY, "model.hidden=[32]", "epochs=5"])
    trainer, test = api.build_trainer(config, api.build_data(config.data))
    before = trainer.evaluate(test)
    trainer.fit()
    after = trainer.evaluate(test)
    assert after.loss < before.loss
    assert after.accuracy > 0.5 > before.accuracy


def test_registering_a_name_again_replaces_it_so_that_a_cell_can_be_run_twice():
    for factor in ("1.5", "3.0"):
        exec(PLUGIN.replace("hyperparameter(2.0", f"hyperparameter({factor}"), {"__name__": "notebook"})
    config = api.compose(
        [*TINY, "model=custom", "model.layers=[{kind: scaled}, {kind: flatten}, {kind: linear, units: 10}]"]
    )
    trainer, _ = api.build_trainer(config, api.build_data(config.data))
    assert trainer.model.stack.layers[0].factor == 3.0


def test_two_runs_from_python_in_the_same_second_have_folders_of_their_own(tmp_path):
    for _ in range(2):
        api.train(*TINY, "model.hidden=[4]")
    assert len(list(tmp_path.glob("outputs/*/*/journal.jsonl"))) == 2


def test_mistakes_from_python_are_the_projects_exceptions_and_leave_no_folder(tmp_path):
    for error, override in ((ConfigError, "batch_size=0"), (DataError, "data.root=nowhere")):
        with pytest.raises(error, match=override.partition("=")[2]):
            api.train(*TINY, override)
    assert list(tmp_path.glob("outputs/*/*")) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((["epochs=1"],), r"\['epochs=1'\]: an override is a text, as in train\(\"epochs=3\""),
        (({"epochs": 1},), "{'epochs': 1}: an override is a text"),
        (("task=gradcheck", "data=digits"), r"task=gradcheck: this is for the command; train\(\) trains"),
        (("hydra.run.dir=elsewhere",), "hydra.run.dir=elsewhere: this is for the command"),
        (("--multirun", "seed=0,1"), "--multirun: this is for the command"),
    ],
)
def test_train_says_what_it_does_not_take(tmp_path, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=told):
        api.train(*given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["epochs=1", None, 3])
def test_compose_wants_a_list(given):
    with pytest.raises(ConfigError, match=r"overrides come in a list, as in compose\(\["):
        api.compose(given)


def test_progress_goes_to_the_projects_logger(caplog):
    with caplog.at_level(logging.INFO, "mnist_trainer"):
        result = api.train(*TINY, "model.hidden=[4]")
    assert {record.name.partition(".")[0] for record in caplog.records} == {"mnist_trainer"}
    assert f"accuracy {result.test_accuracy:.2%}" in caplog.text


def test_all_that_the_api_promises_is_there():
    assert all(hasattr(api, name) for name in api.__all__)
    assert np.all([getattr(api, name).__doc__ for name in api.__all__])


def test_a_configuration_is_checked_when_it_is_composed_as_the_command_does():
    with pytest.raises(ConfigError) as error:
        api.compose(["data=digits", "epochs=0", "optimizer.lr=-1", "optimizer.momentum=-1", "schedule.warmup=1"])
    assert [problem.partition("=")[0] for problem in error.value.problems] == [
        *("optimizer.lr", "epochs", "schedule.warmup"),
    ]
