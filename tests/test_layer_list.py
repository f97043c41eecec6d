"""From plain entries to layers; what is wrong with an entry is told with its place in the list."""

import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.layer_list import build_list, check_no_softmax_at_end, mlp_layer_list
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.linear import Linear

FLAT, DENSE, SOFTMAX = {"kind": "flatten"}, {"kind": "linear", "units": 10}, {"kind": "softmax"}


def mlp(*hidden, activation="tanh", dropout=0.0):
    return build_list(mlp_layer_list(hidden, activation, dropout, classes=4), "model.layers")


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


def test_an_mlp_is_linear_activation_dropout_for_each_width_and_a_linear_to_the_classes():
    layers = mlp(5, 3, dropout=0.1)
    assert kinds(layers) == ["Flatten", *["Linear", "Tanh", "Dropout"] * 2, "Linear"]
    assert [layer.units for layer in layers if isinstance(layer, Linear)] == [5, 3, 4]
    assert {layer.rate for layer in layers if isinstance(layer, Dropout)} == {0.1}


def test_an_mlp_without_hidden_layers_is_softmax_regression_and_without_dropout_has_no_such_layer():
    assert kinds(mlp()) == ["Flatten", "Linear"]
    assert kinds(mlp(5)) == ["Flatten", "Linear", "Tanh", "Linear"]


def test_a_residual_entry_holds_a_list_of_its_own():
    (residual,) = build_list([{"kind": "residual", "layers": [DENSE, {"kind": "relu"}]}], "layers")
    assert kinds(residual.layers) == ["Linear", "ReLU"]


def test_the_problems_of_all_entries_are_told_at_once_each_with_its_place():
    entries = ["relu", {"kind": "rel"}, {"kind": "residual", "layers": [DENSE, {"kind": "linear", "unit": 3}]}]
    with pytest.raises(ConfigError) as error:
        build_list(entries, "model.layers")
    starts = [problem.partition(": ")[0] for problem in error.value.problems]
    assert starts == ["model.layers.0", "model.layers.1", *["model.layers.2.layers.1 (linear)"] * 2]


@pytest.mark.parametrize("after", [[], [FLAT], [{"kind": "dropout"}], [FLAT, {"kind": "dropout"}]])
def test_a_softmax_at_the_end_is_refused_also_when_hidden(after):
    with pytest.raises(ConfigError, match=r"^layers\.2 is a softmax at the model's end"):
        check_no_softmax_at_end(build_list([FLAT, DENSE, SOFTMAX, *after], "layers"))


@pytest.mark.parametrize("entries", [[], [FLAT, SOFTMAX, DENSE], [DENSE, {"kind": "residual", "layers": [SOFTMAX]}]])
def test_a_softmax_elsewhere_is_the_users_choice(entries):
    check_no_softmax_at_end(build_list(entries, "layers"))  # x + softmax(x) is no softmax
