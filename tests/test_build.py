"""From a configuration to a model: the list of layers, the loss's tail, and the seed's streams."""

import copy
import dataclasses
import os
import tracemalloc

import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.build import build_data, build_model, build_trainer, check_buildable
from mnist_trainer.composition import compose
from mnist_trainer.config import LayersConfig, MLPConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.softmax import Softmax

IMAGE = (28, 28, 1)


@pytest.fixture(scope="module")
def _composed():
    return compose(["data=digits", "tracking=off", "model.hidden=[6]"])


@pytest.fixture
def config(_composed):
    return copy.deepcopy(_composed)


@pytest.fixture(scope="module")
def digits():
    return build_data(compose(["data=digits"]).data)


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


def mlp(*hidden, activation="tanh", dropout=0.0):
    return MLPConfig("mlp", list(hidden), activation, dropout)


def listed(*entries):
    return LayersConfig("custom", list(entries))


@pytest.mark.parametrize(("loss", "tail"), [("fused", []), ("separate", ["Softmax"])])
def test_the_loss_alone_decides_whether_a_softmax_layer_ends_the_model(config, loss, tail):
    config.loss.name = loss
    model = build_model(config, IMAGE, classes=10, max_batch=4)
    assert kinds(model.stack.layers) == ["Flatten", "Linear", "ReLU", "Linear", *tail]


def test_a_loss_takes_the_layers_it_was_registered_with(config, monkeypatch):
    monkeypatch.setattr(registry, "tails", {"fused": [Flatten, Softmax]})
    model = build_model(config, IMAGE, classes=10, max_batch=4)
    assert kinds(model.stack.layers)[-2:] == ["Flatten", "Softmax"]


@pytest.mark.parametrize("loss", ["fused", "separate"])
def test_a_softmax_of_the_models_own_at_its_end_is_refused_in_both_modes(config, loss):
    config.loss.name = loss
    config.model = listed({"kind": "flatten"}, {"kind": "linear", "units": 10}, {"kind": "softmax"})
    with pytest.raises(ConfigError, match=r"^model\.layers\.2 is a softmax"):
        build_model(config, IMAGE, classes=10, max_batch=4)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"loss.name": "separate"}, True),
        ({"model.dropout": 0.5}, True),
        ({"optimizer.lr": 0.5}, True),
        ({"data.validation_size": 0}, True),
        ({"batch_size": 7}, True),
        ({"seed": 1}, False),
    ],
    ids=str,
)
def test_initial_weights_depend_on_seed_and_architecture_alone(config, digits, change, same):
    before, _ = build_trainer(config, digits)
    for key, value in change.items():
        *group, name = key.split(".")
        setattr(getattr(config, group[0]) if group else config, name, value)
    after, _ = build_trainer(config, digits)
    assert np.array_equal(before.model.parameters.values, after.model.parameters.values) == same


def test_order_of_the_batches_is_the_seeds_whatever_the_model_is(config, digits):
    def labels():
        return np.concatenate([batch for _, batch in build_trainer(config, digits)[0].train])

    first = labels()
    config.model = mlp(3, 3, dropout=0.3)
    config.loss.name = "separate"
    assert np.array_equal(first, labels())
    config.seed = 1
    assert not np.array_equal(first, labels())


def test_double_precision_starts_from_the_same_weights(config, digits):
    single, _ = build_trainer(config, digits)
    config.dtype = "float64"
    double, _ = build_trainer(config, digits)
    assert double.model.parameters.values.dtype == np.float64
    assert np.array_equal(single.model.parameters.values, double.model.parameters.values.astype(np.float32))


def test_training_validation_and_test_share_no_image_and_leave_none_out(config, digits):
    trainer, test = build_trainer(config, digits)
    assert (trainer.train.samples, trainer.validation.samples, test.samples) == (1300, 137, 360)
    config.data.validation_size = 0
    assert build_trainer(config, digits)[0].train.samples == 1437


@pytest.fixture
def memory(monkeypatch):
    """Let the machine have so many bytes."""
    pages = {"SC_PAGE_SIZE": 1}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    return lambda size: pages.update(SC_PHYS_PAGES=size)


@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet_mini"])
def test_a_model_is_refused_where_what_its_layers_work_in_takes_more_than_the_memory(memory, model):
    settings = compose([f"model={model}"])

    def build():
        return build_model(settings, IMAGE, classes=10, max_batch=256)

    memory(1 << 40)
    tracemalloc.start()
    made = build()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    taken += 3 * made.parameters.values.nbytes  # with gradients, shared and not traced, too, and the best so far
    memory(int(1.02 * taken))
    build()
    memory(int(0.98 * taken))
    with pytest.raises(ConfigError, match=r"with batches of 256 take 0\.\d GB at least; this machine has 0"):
        build()
    assert not tracemalloc.is_tracing()


def test_one_error_names_the_problems_of_all_groups(config):
    config.epochs = 0
    config.optimizer = dataclasses.replace(config.optimizer, momentum=1.5)
    config.schedule = dataclasses.replace(config.schedule, warmup=-1)
    config.model = listed({"kind": "nonsense"})
    with pytest.raises(ConfigError) as error:
        check_buildable(config)
    starts = {problem.partition("=")[0].partition(":")[0] for problem in error.value.problems}
    assert starts == {"epochs", "optimizer.momentum", "schedule.warmup", "model.layers.0"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiment": " "}, "tracking.experiment=' ': an experiment's name, or null for the data set's"),
        ({"experiment": "x" * 501}, "tracking.experiment: 501 characters; MLflow takes 500"),
        ({"tags": {"a?": 1}}, "tracking.tags.a?: letters, digits and any of _-.:/ fit, and blanks within"),
        ({"tags": {"loss": {"mode": "x"}}}, "tracking.tags.loss.mode: this tag is set by the run itself"),
        ({"tags": {"mlflow.note.content": "x"}}, "set by the run itself; say tracking.description"),
    ],
)
def test_what_can_not_be_a_name_of_one_s_own_in_mlflow_is_told(changes, said):
    config = compose([])
    for key, value in changes.items():
        setattr(config.tracking, key, value)
    with pytest.raises(ConfigError) as refused:
        check_buildable(config)
    assert said in str(refused.value)
