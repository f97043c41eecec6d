"""task=gradcheck as a user runs it: the table, the words, the files, the exit code."""

import json

import pytest

CHECK = ("task=gradcheck", "data=digits", "model=linear", "task.samples=3")
PLUGIN = """
from dataclasses import dataclass

import numpy as np

from mnist_trainer.api import Layer, Loss, hyperparameter, register_layer, register_loss


@register_layer("swish")
@dataclass(eq=False)
class Swish(Layer):
    right: bool = True

    def forward(self, x, *, training):
        self.x, self.gate = x, 1 / (1 + np.exp(-x))
        return x * self.gate

    def backward(self, dy, *, need_dx=True):
        return dy * self.gate * (1 + self.x * (1 - self.gate) if self.right else 1)


@register_loss("focal")
@dataclass(eq=False)
class Focal(Loss):
    gamma: float = hyperparameter(2.0, minimum=1)
    factor: float = 1.0

    expects = "probabilities"

    def forward(self, predictions, targets):
        self.p, self.rows = predictions, (np.arange(len(targets)), targets)
        p = predictions[self.rows]
        return float(np.mean(-((1 - p) ** self.gamma) * np.log(p)))

    def backward(self, upstream=1.0):
        p, gamma, gradient = self.p[self.rows], self.gamma, np.zeros_like(self.p)
        gradient[self.rows] = gamma * (1 - p) ** (gamma - 1) * np.log(p) - (1 - p) ** gamma / p
        return self.factor * upstream * gradient / len(p)
"""


@pytest.fixture
def plugin(tmp_path, request):
    """Write the plugin under a name of its own."""
    name = f"gradcheck_plugin_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    return f"plugins=[{name}]"


def words_of(done):
    """What was printed, whatever the lines were broken at."""
    return " ".join(done.output.split())


@pytest.mark.parametrize("loss", ["fused", "separate"])
def test_a_right_configuration_ends_with_0_and_a_table(command, loss):
    done = command(*CHECK, f"loss={loss}")
    assert done.code == 0, done.output
    printed = words_of(done)
    assert f"checking model=linear with loss={loss} on digits, in float64" in printed
    assert {"what", "worst", "relative", "error", "where", "verdict"} <= set(printed.split("loss ")[0].split())
    assert "wrong" not in done.output.replace("confident and wrong", "")
    assert "\nexact: " in done.output
    assert "\x1b[" not in done.output  # piped


def test_the_folder_has_the_report_for_people_and_for_programs(command):
    done = command(*CHECK)
    files = {path.name for path in done.run.iterdir()}
    assert {"gradcheck.md", "gradcheck.json", "outcome.json"} <= files
    record = json.loads((done.run / "gradcheck.json").read_text())
    outcome = json.loads((done.run / "outcome.json").read_text())
    assert (outcome["status"], outcome["exact"], outcome["faults"]) == ("FINISHED", True, [])
    assert outcome["checks"] == record["checks"] == len(record["rows"])
    assert outcome["worst_error"] == max(row["error"] for row in record["rows"]) < 1e-7
    text = (done.run / "gradcheck.md").read_text()
    assert text.startswith("# Gradients of model=linear with loss=fused on digits, in float64\n\n**exact: ")
    assert all(row["what"] in text for row in record["rows"])
    assert str(done.run / "gradcheck.md") in done.output


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("posted_answer", "the backward of softmax keeps only the diagonal of the Jacobian"),
        ("double_softmax", "softmax is applied twice"),
        ("sum_for_mean", "N times too large (N = 128)"),
    ],
)
def test_a_mistake_ends_with_1_and_its_name_in_words(command, loss, words):
    done = command(*CHECK, f"loss=mistakes/{loss}")
    assert done.code == 1
    assert "not exact: " in done.output
    assert words in words_of(done)
    outcome = json.loads((done.run / "outcome.json").read_text())
    assert outcome["status"] == "FINISHED"
    assert outcome["exact"] is False
    assert any(words in fault for fault in outcome["faults"])


def test_a_mistake_that_cannot_run_at_this_batch_size_is_told_in_words(command):
    done = command(*CHECK, "loss=mistakes/posted_question")
    assert done.code == 1
    assert "Traceback" not in done.output
    printed = words_of(done)
    assert "of them can't even run" in printed
    assert (
        "can't run on 128 images: np.eye(128) has the size of the batch where the number of classes belongs" in printed
    )
    assert "With batch_size=10 it runs, and is wrong" in printed


def test_too_little_time_ends_with_1_and_names_the_key(command):
    done = command(*CHECK, "task.seconds=1e-6")
    assert done.code == 1
    assert "incomplete: " in done.output
    assert "task.seconds" in done.output
    assert json.loads((done.run / "outcome.json").read_text())["not_checked"] > 0


def test_float32_is_checked_in_float64_too(command):
    assert command(*CHECK, "dtype=float32").code == command(*CHECK, "dtype=float64").code == 0


def test_plugins_are_checked_and_a_loss_of_ones_own_is_not_taken_for_a_wrong_cross_entropy(command, plugin):
    own = (*CHECK[:2], "task.samples=3", plugin, "model.hidden=[8]", "model.activation=swish")
    done = command(*own, "loss=custom", "loss.name=focal", "+loss.parameters.gamma=1.5")
    assert done.code == 0, done.output
    assert "a loss of your own" in words_of(done)
    done = command(*own, "loss=custom", "loss.name=focal", "+loss.parameters.factor=-1.0")
    assert done.code == 1
    assert "loss Focal: backward has the wrong sign" in words_of(done)


def test_a_plugins_wrong_layer_is_named_by_its_place(command, plugin):
    layers = "[{kind: flatten}, {kind: swish, right: false}, {kind: linear, units: 10}]"
    done = command(*CHECK[:2], "task.samples=3", plugin, "model=custom", f"model.layers={layers}")
    assert done.code == 1
    assert "layers.1 Swish: backward's dL/dx is not the derivative" in words_of(done)


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("task.samples=0", "task.samples=0 is out of range: must be at least 1"),
        ("task.seconds=0", "task.seconds=0.0 is out of range: must be above 0"),
        ("task.sample=3", "task.sample"),
        ("loss.label_smoothing=2", "label_smoothing=2.0 is out of range"),
    ],
)
def test_what_does_not_fit_ends_with_2_and_leaves_no_folder(command, override, wanted):
    done = command(*CHECK, override)
    assert done.code == 2
    assert wanted in done.output
    assert done.folders == []


def test_the_homeworks_loss_is_right_and_notes_say_where_it_is_not_to_be_relied_on(command):
    done = command(*CHECK, "loss=homework")
    assert done.code == 0, done.output
    printed = words_of(done)
    assert "note: targets that don't sum to 1 are another matter: loss Homework: backward is (p − t)/N" in printed
    assert (
        "in float32 the loss is inf from a gap of 104 on between a true class and the largest one above it" in printed
    )
    assert "the loss is nan from a gap of 104 on between a true class that is the largest and another one" in printed
    record = json.loads((done.run / "gradcheck.json").read_text())
    assert record["faults"] == []
    assert len(record["notes"]) == 5


@pytest.mark.long
def test_gradients_are_checked_on_the_images_as_they_are(command, tmp_path):
    found = []
    for choice in ("none", "elastic"):
        done = command(*CHECK, f"augment={choice}", folder=tmp_path / choice)
        assert done.code == 0, done.output
        report = (done.run / "gradcheck.md").read_text()
        found.append([line for line in report.splitlines() if "seconds" not in line])
    assert found[0] == found[1]
