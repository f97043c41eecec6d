"""A choice stays what its name says, and a name that is looked up is set where it is open alone."""

import pytest

from mnist_trainer import registry
from mnist_trainer.api import compose
from mnist_trainer.composition import conf_folder
from mnist_trainer.errors import ConfigError
from mnist_trainer.presets import presets_having

TWO = "model.layers=[{kind: flatten}, {kind: linear, units: 10}]"


def refused(*overrides):
    with pytest.raises(ConfigError) as error:
        compose(overrides)
    return str(error.value)


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (["model=linear", "model.hidden=[16]"], "model.hidden is unknown"),
        (["model=linear", "+model.hidden=[16]"], "model.hidden is unknown (one of: name); model=mlp has it"),
        (["model=linear", "model.activation=gelu"], "model.activation is unknown (one of: name); model=mlp has it"),
        (["model=cnn", TWO], "model.layers: model=cnn is conv2d, relu, max_pool2d, "),
        (["model=lenet5", TWO], "these are flatten, linear: a list of your own is model=custom"),
        (["model=residual_mlp", "model.layers.3.layers=[{kind: relu}]"], "residual [relu], relu, residual [linear"),
        (["model=cnn", "model.name=lenet5"], "model.name=lenet5: model=cnn is called cnn; say model=lenet5"),
        (["model=mlp", "model.name=mine"], "model.name=mine: model=mlp is called mlp"),
        (["model=custom", TWO, "model.name=cnn"], "model.name=cnn: that is another choice's name: model=cnn"),
        (["loss=fused", "loss.name=separate"], "loss.name=separate: loss=fused is called fused; say loss=separate"),
        (["loss=mistakes/clipped", "loss.name=fused"], "loss=mistakes/clipped is called clipped; say loss=fused"),
        (["optimizer=adam", "optimizer.name=adamw"], "optimizer=adam is called adam; say optimizer=adamw"),
        (["optimizer=adam", "optimizer.name=adm"], "did you mean 'adam'?"),
        (["optimizer=adam", "optimizer.momentum=0.9"], "optimizer.momentum is unknown"),
        (["schedule=step", "schedule.name=constant"], "schedule=step is called step; say schedule=constant"),
        (["data=digits", "data.name=mnist"], "data.name=mnist: data=digits is called digits; say data=mnist"),
        (["data=auto", "data.name=mine"], "data.name=mine: data=auto is called auto"),
        (["data=emnist", "data.name=emnist_letters"], "data=emnist is called emnist"),
        (["data=idx", "data.root=x", "data.name=mnist"], "data.name='mnist': other data need a name of their own"),
        (["data=idx", "data.root=x", "data.name=emnist_letters"], "other data need a name of their own"),
        (["data=custom", "data.name=digits"], "other data need a name of their own"),
        (["task.name=compare"], "task.name=compare: task=train is called train; say task=compare"),
        (["tracking=off", "tracking.name=mlflow"], "tracking=off is called off; say tracking=mlflow"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_choice_can_not_be_made_another_under_its_name(overrides, wanted):
    assert wanted in refused(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=residual_mlp", "model.layers.1.units=64"],
        ["model=cnn", "model.layers.0.filters=8"],
        ["model=custom", TWO],
        ["model=custom", TWO, "model.name=softmax_regression"],
        ["model=mlp", "model.hidden=[]"],
        ["loss=custom", "loss.name=fused"],
        ["optimizer=custom", "optimizer.name=adam"],
        ["schedule=custom", "schedule.name=cosine", "+schedule.parameters.warmup=0.1"],
        ["data=idx", "data.root=x", "data.name=mine"],
    ],
    ids=" ".join,
)
def test_sizes_and_open_names_are_the_users(overrides):
    assert compose(overrides)


def test_a_file_of_overrides_can_not_either(command, tmp_path):
    done = command("data=digits", "tracking=off", "loss.name=separate", "optimizer.name=adam")
    assert done.code == 2
    assert "loss.name=separate: loss=fused is called fused; say loss=separate" in done.output
    assert "optimizer.name=adam: optimizer=sgd is called sgd; say optimizer=adam" in done.output
    assert done.folders == []


def test_linear_is_what_its_name_says():
    from mnist_trainer.build import build_layers

    kinds = [type(layer) for layer in build_layers(compose(["model=linear"]).model, classes=10)]
    assert kinds == [registry.layers["flatten"], registry.layers["linear"]]


def test_having_names_choices_that_can_be_made():
    assert presets_having("optimizer.beta1", conf_folder()) == "; optimizer=adam has it"
    assert (
        presets_having("model.nothing", conf_folder())
        == presets_having("model", conf_folder())
        == presets_having("", conf_folder())
        == ""
    )
