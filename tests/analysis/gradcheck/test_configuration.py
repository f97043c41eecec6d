"""The whole check: exact for what ships, and each mistake of the gallery with its own explanation."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mnist_trainer.analysis.gradcheck import configuration as gradcheck
from mnist_trainer.analysis.gradcheck.configuration import check_configuration
from mnist_trainer.api import Layer, build_data, build_trainer, compose, register_layer
from mnist_trainer.composition import conf_folder

MODELS = sorted(path.stem for path in (conf_folder() / "model").glob("*.yaml") if path.stem != "custom")
GALLERY = sorted(path.stem for path in (conf_folder() / "loss" / "mistakes").glob("*.yaml"))
SMALL = ("data=digits", "dtype=float64", "batch_size=12")

DIAGONAL = "keeps only the diagonal of the Jacobian, dp ⊙ p(1 − p): the off-diagonal terms −p_i p_j are missing"
POSTED = "backward is (p − t)/N: the derivative with respect to the logits, with the softmax in it already"
SIZE = "the identity has the size of the batch where the number of classes belongs"
CANNOT = "can't run on 12 images: np.eye(12) has the size of the batch"
TWICE = "the softmax's derivative is applied twice"
DOUBLE = "softmax is applied twice, since probabilities are handed to a loss that takes logits"
SUM = "backward is N times too large (N = 12): the gradient of the sum over the batch, not of the mean"
CAP = "the loss is capped at 16.12 = −log ε, with ε = 1e-07"
WORDS = {
    "posted_question": {SIZE, CANNOT, POSTED},
    "posted_answer": {DIAGONAL, POSTED},
    "diagonal": {DIAGONAL},
    "double_jacobian": {POSTED, TWICE},
    "double_softmax": {DOUBLE},
    "sum_for_mean": {SUM},
    "clipped": {CAP},
}


@pytest.fixture(scope="module")
def digits():
    with threadpool_limits(1):
        yield build_data(composed(()).data)


@functools.cache
def composed(overrides):
    return compose([*SMALL, *overrides])


@pytest.fixture
def check(digits):
    def run(*overrides, samples=4, seconds=60.0):
        config = composed(overrides)
        trainer, _ = build_trainer(config, digits)
        x, labels = next(iter(trainer.train))
        return check_configuration(config, trainer.model, x, labels, samples=samples, seconds=seconds)

    return run


@pytest.mark.long
@pytest.mark.parametrize("loss", ["fused", "separate"])
@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_model_is_exact_with_both_modes(check, model, loss):
    report = check(f"model={model}", f"loss={loss}")
    assert report.exact, report
    assert not report.faults
    assert {"dL/dx", "dL/d targets"} <= {check.what for check in report.checks if check.node == "whole, 8 images"}


@pytest.mark.parametrize("loss", GALLERY)
def test_every_mistake_fails_with_its_own_explanation_and_no_other(check, loss):
    report = check("model=linear", f"loss=mistakes/{loss}")
    assert not report.exact
    faults = "\n".join(report.faults)
    every = set().union(*WORDS.values())
    assert {words for words in every if words in faults} == WORDS[loss]


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_a_mistake_is_seen_in_the_whole_of_any_model_too(check, model):
    report = check(f"model={model}", "loss=mistakes/posted_answer", samples=2)
    weights = [check for check in report.checks if check.node.startswith("whole") and "weights" in check.what]
    assert weights
    assert {check.verdict for check in weights} == {"wrong"}


@pytest.mark.long
@pytest.mark.parametrize("loss", GALLERY)
@pytest.mark.parametrize("batch_size", [1, 10, 40])
def test_no_mistake_passes_at_any_batch_size(check, loss, batch_size):
    report = check("model=linear", f"loss=mistakes/{loss}", f"batch_size={batch_size}", samples=2)
    assert not report.exact
    assert report.faults


@pytest.mark.parametrize(
    "overrides",
    [
        ("batch_size=1",),
        ("data.standardize=true",),
        ("model.hidden=[9]", "model.dropout=0.5", "model.activation=leaky_relu"),
        ("model.hidden=[9,9]", "model.activation=sigmoid", "loss=separate", "loss.label_smoothing=0.1"),
        ("loss.label_smoothing=0.2", "model=linear"),
        ("model.hidden=[9]", "seed=5"),
    ],
    ids=" ".join,
)
def test_choices_that_are_right_are_exact(check, overrides):
    report = check(*overrides)
    assert report.exact, report


def test_masks_are_held_fixed_in_the_whole_and_it_says_so(check):
    report = check("model.hidden=[9]", "model.dropout=0.5")
    of_masks = [check for check in report.checks if check.node.startswith(("whole", "layers.3"))]
    notes = {check.where for check in of_masks if check.what != "dL/d targets"}
    assert all("masks held fixed" in note for note in notes)


def test_layers_alike_are_one_row_that_names_them_all_and_the_ones_inside_too(check):
    nodes = {check.node for check in check("model=residual_mlp").checks}
    assert "layers.3.0, 3.2, 5.0, 5.2 Linear" in nodes
    assert "layers.3, 5 Residual" in nodes


@pytest.fixture
def _own_layer():

    class Cube(Layer):
        def forward(self, x, *, training):
            self.x = x
            return x**3

        def backward(self, dy, *, need_dx=True):
            return dy * self.x**2

    register_layer("cube")(Cube)


@pytest.mark.usefixtures("_own_layer")
def test_a_plugins_wrong_layer_is_the_one_that_is_named(check):
    report = check("model.hidden=[9]", "model.activation=cube")
    assert len(report.faults) == 1
    assert report.faults[0].startswith("layers.2 Cube: backward's dL/dx")
    exact = {check.node for check in report.checks if check.verdict == "exact"}
    assert {"layers.1 Linear", "layers.3 Linear", "loss SoftmaxLoss"} <= exact


def test_a_fault_that_only_the_whole_shows_is_told(check, monkeypatch):
    from mnist_trainer.layers.stack import Stack

    right = Stack.backward

    def backward(self, dy, *, need_dx=True):
        return right(self, 2 * dy if len(self.layers) > 2 else dy, need_dx=need_dx)

    monkeypatch.setattr(Stack, "backward", backward)
    report = check("model.hidden=[9]")
    assert not report.exact
    assert all(fault.startswith("whole, 8 images: dL/d") for fault in report.faults)


def test_without_time_it_is_incomplete_and_never_exact(check):
    report = check(seconds=1e-9)
    assert not report.exact
    assert not report.wrong
    assert report.verdict.startswith("incomplete")
    assert {check.where for check in report.unchecked} == {"the time is over"}


def test_the_same_seed_gives_the_same_report(check):
    one, two = check("model=linear"), check("model=linear")
    assert one == two
    assert one != check("model=linear", "seed=1")


def test_blank_pixels_do_not_hide_a_gradient_that_is_wrongly_0(check, digits, monkeypatch):
    """A corner pixel of digits is 0 in every image: without noise so are its weights' gradients, right or wrong."""
    from mnist_trainer.layers.linear import Linear

    right = Linear.backward

    def backward(self, dy, *, need_dx=True):
        dx = right(self, dy, need_dx=need_dx)
        gradient = self.gradients["weights"]
        gradient[0] = 0  # of the first pixel
        return dx

    monkeypatch.setattr(Linear, "backward", backward)
    monkeypatch.setattr(gradcheck, "check_layers", lambda *args, **kwargs: gradcheck.Findings())
    assert not digits.images[:, 0, 0].any()
    report = check("model=linear", "data.standardize=false")
    assert [check.what for check in report.wrong] == ["dL/d 1.weights"]


def test_a_report_can_be_written_down(check):
    report = check("model=linear", "loss=mistakes/clipped")
    record = report.as_record()
    assert record["faults"] == report.faults
    assert len(record["rows"]) == record["checks"] == len(report.checks)
    assert record["failed"] == sum(row["verdict"] in ("wrong", "can't run") for row in record["rows"])
    markdown = report.as_markdown()
    assert report.verdict in markdown
    assert all(check.what in markdown for check in report.checks)
    nan = replace(report, checks=[replace(report.checks[0], error=float("inf"))])
    assert nan.as_record()["rows"][0]["error"] == "inf"
    assert np.isinf(nan.worst)
