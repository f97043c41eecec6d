"""Slips in a user's own layer or loss end in words: when it is defined, in training, checking and comparing."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer.api import Layer, Loss, check_gradients, register_loss
from mnist_trainer.errors import ConfigError, SlipError
from mnist_trainer.slips import checked_array, checked_number

PLUGIN = (Path(__file__).parent / "fixtures" / "slips.py").read_text()
SMALL = ("data=digits", "tracking=off", "epochs=1")
NUMBER = "must be a number, the mean loss of the batch"
ARRAY = "must be an array of shape (128, 10) of floating-point numbers"
LOSSES = {
    "vector": f"vector.forward returned an array of shape (128,) and type float32: {NUMBER}",
    "no_value": f"no_value.forward returned None: {NUMBER}",
    "no_gradient": f"no_gradient.backward returned None: {ARRAY}",
    "gradient_of_a_row": "gradient_of_a_row.backward returned an array of shape (1, 10) and type",
    "list_for_a_gradient": f"list_for_a_gradient.backward returned a value of type list: {ARRAY}",
    "fails": "ValueError: matmul",
}
LAYERS = {
    "no_output": f"layers.2 (no_output).forward returned None: {ARRAY}",
    "half_output": "layers.2 (half_output).forward returned an array of shape (128, 5)",
    "no_dx": f"layers.2 (no_dx).backward returned None: {ARRAY}",
}
NUMBERS = ("numpy_number", "array_of_no_axis", "own_pair")


@pytest.fixture
def plugin(tmp_path, request):
    """Write the plugin under a name of its own."""
    name = f"slips_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    return f"plugins=[{name}]"


def layers(kind):
    return "model=custom", f"model.layers=[{{kind: flatten}}, {{kind: linear, units: 10}}, {{kind: {kind}}}]"


def words_of(done):
    return " ".join(done.output.split())


@pytest.mark.parametrize("name", LOSSES)
def test_a_losss_slip_ends_a_training_in_one_line(command, plugin, name):
    done = command(*SMALL, "model=linear", plugin, "loss=custom", f"loss.name={name}")
    assert done.code == 1
    assert LOSSES[name] in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layers_slip_ends_a_training_in_one_line(command, plugin, kind):
    done = command(*SMALL, plugin, *layers(kind))
    assert done.code == 1
    assert LAYERS[kind] in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("name", ["vector", "no_gradient"])
def test_gradcheck_names_a_losss_slip_once(command, plugin, name):
    check = ("task=gradcheck", "task.samples=2", "model=linear")
    done = command(*SMALL, *check, plugin, "loss=custom", f"loss.name={name}")
    assert done.code == 1
    (fault,) = json.loads((done.run / "gradcheck.json").read_text())["faults"]
    assert LOSSES[name].split(" returned ")[0] in fault
    assert " returned " in fault


def test_gradcheck_names_a_layers_slip(command, plugin):
    done = command(*SMALL, "task=gradcheck", "task.samples=2", plugin, *layers("half_output"))
    assert done.code == 1
    assert "half_output.forward returned an array of shape (5, 5) and type float64" in words_of(done)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_numpys_is_a_number(command, plugin, name):
    check = ("task=gradcheck", "task.samples=2", "model=linear")
    done = command(*SMALL, *check, plugin, "loss=custom", f"loss.name={name}")
    assert done.code == int(name == "own_pair")  # whose floor caps its loss
    assert command(*SMALL, "model=linear", plugin, "loss=custom", f"loss.name={name}").code == 0


@pytest.mark.long
def test_a_comparison_survives_all_of_them(command, plugin):
    modes = ",".join(["fused", "numpy_number", "array_of_no_axis", *LOSSES])
    done = command(*SMALL, "model=linear", "task=compare", "task.timing=false", plugin, f"task.modes=[{modes}]")
    assert done.code == 1, done.output
    assert "Traceback" not in done.output
    outcomes = json.loads((done.run / "comparison.json").read_text())["comparison"]["outcomes"]
    failed = {one["mode"]: one["failure"] for one in outcomes if one["failure"]}
    assert failed.keys() == LOSSES.keys()
    assert all(words in failed[name] for name, words in LOSSES.items())
    assert all(one["result"]["test_accuracy"] > 0.5 for one in outcomes if not one["failure"])


@pytest.mark.long
def test_a_comparison_with_numbers_of_numpys_is_like_any_other(command, plugin):
    modes = "task.modes=[fused,numpy_number]"
    done = command(*SMALL, "model=linear", "task=compare", "task.timing=false", plugin, modes)
    assert done.code == 0, done.output


@pytest.mark.parametrize("loss", ["fused", "separate", "own_pair"])
def test_a_users_softmax_at_the_end_under_a_loss_that_adds_another_is_refused(command, plugin, loss):
    chosen = ("loss=custom", "loss.name=own_pair") if loss == "own_pair" else (f"loss={loss}",)
    done = command(*SMALL, plugin, *layers("own_softmax"), *chosen)
    assert done.code == 2
    assert "model.layers.2 (OwnSoftmax) computes a softmax at the model's end" in done.output


def test_a_softmax_of_ones_own_may_be_handed_over_in_the_model_or_with_the_loss(command, plugin):
    in_model = command(*SMALL, plugin, *layers("own_softmax"), "loss=custom", "loss.name=handed_over")
    with_loss = command(*SMALL, plugin, "model=linear", "loss=custom", "loss.name=own_pair")
    assert (in_model.code, with_loss.code) == (0, 0)
    results = [re.search(r"test loss (\S+), accuracy (\S+)", done.output).groups() for done in (in_model, with_loss)]
    assert results[0] == results[1]


def test_what_a_class_must_look_like_is_said_when_it_is_defined():
    with pytest.raises(ConfigError, match="Own: expects='logit' is unknown; did you mean 'logits'"):
        type("Own", (Loss,), {"expects": "logit"})
    with pytest.raises(ConfigError, match=r"Own.forward can't be called: .*write def forward\(self, x, \*, training\)"):
        type("Own", (Layer,), {"forward": lambda self, x: x})
    with pytest.raises(ConfigError, match=r"write def backward\(self, dy, \*, need_dx\)"):
        type("Own", (Layer,), {"backward": lambda self, dy: dy})
    with pytest.raises(ConfigError, match=r"write def backward\(self, upstream\)"):
        type("Own", (Loss,), {"backward": lambda self: 0})
    with pytest.raises(ConfigError, match="Own has no backward: a loss needs it"):
        register_loss("own")(dataclass(eq=False)(type("Own", (Loss,), {"forward": lambda self, p, t: 0.0})))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('    expects = "logit"\n', "expects='logit' is unknown"),
        ("    def forward(self, predictions):\n        return 0.0\n", "write def forward(self, predictions, targets)"),
        ("    def forward(self, predictions, targets):\n        return 0.0\n", "Own has no backward"),
    ],
)
def test_a_plugin_with_such_a_class_is_named_with_its_line(command, tmp_path, request, line, words):
    name = f"slip_{abs(hash(request.node.nodeid))}"
    head = "from mnist_trainer.api import Loss, register_loss\n\n\n"
    (tmp_path / f"{name}.py").write_text(f'{head}@register_loss("own_loss")\nclass Own(Loss):\n{line}')
    done = command(*SMALL, f"plugins=[{name}]")
    assert done.code == 2
    assert re.search(rf"plugins: '{name}' fails on import, at \S*{name}.py:[45]: ", done.output)
    assert words in done.output


def test_a_wrong_loss_that_is_told_in_few_digits_is_wrong():
    @dataclass(eq=False)
    class Rounded(Loss):
        factor: float = 1.0

        def forward(self, predictions, targets):
            self.error = predictions - np.eye(predictions.shape[1])[targets]
            return np.float32(np.square(self.error).sum(axis=1).mean())

        def backward(self, upstream=1.0):
            return self.factor * upstream * 2 * self.error / len(self.error)

    right, wrong = check_gradients(Rounded()), check_gradients(Rounded(1.01))
    assert right.exact, right
    assert any("fewer digits than float64 has" in note for note in right.notes)
    assert not wrong.exact


@pytest.mark.parametrize("value", [1, 1.5, np.float32(2), np.float64(2), np.array(3.0), np.int64(4), np.array(True)])
def test_numbers(value):
    assert type(checked_number(value, "it")) is float
    assert checked_number(value, "it") == value


@pytest.mark.parametrize("value", [None, "1", [1.0], np.ones(1), np.ones((2, 2)), np.array("x"), np.array(1j), {}])
def test_no_numbers(value):
    with pytest.raises(SlipError, match=f"it returned .*: {NUMBER}"):
        checked_number(value, "it")


@pytest.mark.parametrize("value", [None, [[1.0]], np.ones(1), np.ones((1, 2)), np.ones((1, 1), int), 1.0])
def test_no_arrays(value):
    with pytest.raises(SlipError, match=r"it returned .*: must be an array of shape \(1, 1\)"):
        checked_array(value, (1, 1), "it")
