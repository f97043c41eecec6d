"""`check_gradients` on the project's own layers and losses, and on what users may write."""

import importlib.util
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.api import Layer, Loss, check_gradients
from mnist_trainer.errors import ConfigError
from mnist_trainer.layers.activations import ReLU, Tanh
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.residual import Residual
from mnist_trainer.losses.cross_entropy import CrossEntropy
from mnist_trainer.losses.softmax_loss import SoftmaxLoss

KINDS = tuple(registry.layers)
EXACT = {name: registry.losses[name] for name in ("fused", "separate")}


def table_of_layers():
    """Read the one table of all kinds, which belongs to the layers' own tests."""
    path = Path(__file__).parents[2] / "layers" / "conftest.py"
    spec = importlib.util.spec_from_file_location("table_of_layers", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module.CASES


CASES = [(kind, case) for kind, cases in table_of_layers().items() for case in cases]


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[kind for kind, _ in CASES])
def test_every_kind_of_layer_is_exact(kind, case):
    report = check_gradients(case.make(), in_shape=case.in_shape)
    assert report.exact, report
    assert report.worst <= 1e-7


@pytest.mark.parametrize("cls", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("classes", [2, 10, 65])
def test_every_right_loss_is_exact_and_all_its_sizes_are_checked(cls, smoothing, classes):
    report = check_gradients(cls(smoothing), classes=classes, batch_size=33)
    assert report.exact, report
    whats = {check.what for check in report.checks}
    for n in {1, 7, classes, 33}:
        size = "1 image" if n == 1 else f"{n} images"
        assert {f"dL/d predictions, {size}", f"dL/d targets, {size}"} <= whats


@dataclass(eq=False)
class Swish(Layer):
    wrong: bool = False

    def forward(self, x, *, training):
        self.x, self.gate = x, 1 / (1 + np.exp(-x))
        return x * self.gate

    def backward(self, dy, *, need_dx=True):
        return dy * self.gate * (1 if self.wrong else 1 + self.x * (1 - self.gate))


def test_a_users_layer_is_right_or_wrong_and_the_report_reads_as_a_table():
    right, wrong = (check_gradients(Swish(wrong), in_shape=(5,)) for wrong in (False, True))
    assert right.exact
    assert not right.faults
    verdict, _, head, *_ = str(right).splitlines()
    assert verdict.startswith("exact: ")
    assert head.split() == ["what", "worst", "relative", "error", "where", "verdict"]
    assert "exact: 3 checks" in str(right)
    assert not wrong.exact
    assert " for " in wrong.checks[0].where
    assert "Swish: backward's dL/dx is not the derivative: at entry" in " ".join(str(wrong).split())


@dataclass(eq=False)
class Scale(Layer):
    """y = w x with a parameter; `how` says what backward does to its gradient."""

    how: str = "right"

    def parameter_shapes(self):
        return {"weights": (4, 4)}

    def bind(self, parameters, gradients, rng):
        self.w, self.dw = parameters["weights"], gradients["weights"]
        self.w[...] = rng.standard_normal((4, 4))

    def forward(self, x, *, training):
        self.x = x
        return x @ self.w

    def backward(self, dy, *, need_dx=True):
        dw = self.x.T @ dy
        if self.how == "added":
            self.dw += dw
        elif self.how != "unset":
            self.dw[...] = {"mean": dw / len(dy), "transposed": dw.T, "zero": 0 * dw, "sign": -dw}.get(self.how, dw)
        if self.how == "rebound":
            self.dw = dw
        return dy @ (self.w if self.how == "untransposed" else self.w.T)


def test_a_layer_with_parameters():
    assert check_gradients(Scale(), in_shape=(4,)).exact


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("added", "backward adds to what the last call left, in dL/d weights"),
        ("unset", "never set (backward overwrites)"),
        ("mean", "N times too small (N = 5): it is divided by the batch size, which the loss has done already"),
        ("transposed", "dL/d weights is the transpose of the derivative"),
        ("zero", "dL/d weights is 0 everywhere"),
        ("sign", "dL/d weights has the wrong sign"),
        ("untransposed", "dL/dx is not the derivative"),
    ],
)
def test_common_mistakes_with_parameters_are_named(how, words):
    report = check_gradients(Scale(how), in_shape=(4,))
    assert not report.exact
    assert words in "\n".join(report.faults)


def test_parameters_that_begin_at_0_are_checked_away_from_it():
    @dataclass(eq=False)
    class Squared(Scale):
        """y = x (1 + w²): at 0 a gradient that is left out is right."""

        def bind(self, parameters, gradients, rng):
            self.w, self.dw = parameters["weights"], gradients["weights"]

        def forward(self, x, *, training):
            return x * (1 + np.diag(self.w) ** 2)

        def backward(self, dy, *, need_dx=True):
            self.dw.fill(0)
            return dy * (1 + np.diag(self.w) ** 2)

    report = check_gradients(Squared(), in_shape=(4,))
    assert [check.what for check in report.wrong] == ["dL/d weights"]


def make_layer(forward, backward):
    @dataclass(eq=False)
    class Own(Layer):
        def forward(self, x, *, training):
            return forward(x)

        def backward(self, dy, *, need_dx=True):
            return backward(dy)

    return Own()


@pytest.mark.parametrize(
    ("forward", "backward", "words"),
    [
        (lambda x: 2 * x, lambda dy: None, "dL/dx is None"),
        (lambda x: 2 * x, lambda dy: 2 * dy[:1], r"has shape \(1, 3\): must be \(5, 3\)"),
        (lambda x: 2 * x, lambda dy: dy, "passed through unchanged"),
        (lambda x: 2 * x, lambda dy: dy @ np.zeros((7, 7)), "ValueError"),
        (lambda x: 2 * x, lambda dy: dy * np.nan, "is not finite"),
        (lambda x: np.multiply(x, 2, out=x), lambda dy: 2 * dy, "writes into its input"),
        (lambda x: x + np.random.default_rng().random(x.shape), lambda dy: dy, "is not the same twice"),
        (lambda x: x.round(), lambda dy: dy, "dL/dy, passed through unchanged"),  # straight-through: not the derivative
    ],
)
def test_what_breaks_the_contract_is_told_not_raised(forward, backward, words):
    report = check_gradients(make_layer(forward, backward), in_shape=(3,))
    assert not report.exact
    (fault,) = report.faults
    assert re.search(words, fault)


def test_a_batch_may_be_more_than_its_rows():
    def centred(x):
        return x - x.mean(axis=0)

    assert check_gradients(make_layer(centred, centred), in_shape=(3,)).exact
    assert not check_gradients(make_layer(centred, lambda dy: dy), in_shape=(3,)).exact


def test_masks_are_held_fixed_also_within_a_residual_and_are_told():
    for layer in (Dropout(0.5), Residual([Linear(6), Dropout(0.5), Residual([Dropout(0.3), Tanh()])])):
        report = check_gradients(layer, in_shape=(6,))
        assert report.exact, report
        assert "masks held fixed" in report.checks[-1].where
    assert "masks" not in check_gradients(Dropout(0.0), in_shape=(6,)).checks[0].where


@dataclass(eq=False)
class Holder(Layer):
    """A layer of a user's own, with its generator in a dictionary."""

    streams: dict = field(default_factory=lambda: {"mask": [np.random.default_rng(3)]})

    def forward(self, x, *, training):
        self.mask = self.streams["mask"][0].random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dy, *, need_dx=True):
        return dy * self.mask


def test_generators_are_found_wherever_a_layer_holds_them():
    assert check_gradients(Holder(), in_shape=(6,)).exact


def test_the_layer_inside_is_named():
    report = check_gradients(Residual([Linear(5), Residual([Swish(wrong=True)])]), in_shape=(5,))
    assert not report.exact
    assert "0.1.0 Swish" in report.faults[0] or "1.0 Swish" in report.faults[0]
    verdicts = {check.node: check.verdict for check in report.checks if check.what == "dL/dx"}
    assert verdicts["0 Linear"] == "exact"
    assert verdicts["Residual"] == "wrong"


def test_a_function_all_kinks_is_not_exact_but_not_checked():
    @dataclass(eq=False)
    class Kinked(Layer):
        def forward(self, x, *, training):
            kinks = np.resize(X, x.shape)
            self.right = x > kinks
            return np.maximum(x - kinks, 0)

        def backward(self, dy, *, need_dx=True):
            return dy * self.right

    report = check_gradients(Kinked(), in_shape=(3,))
    assert not report.exact
    assert not report.wrong
    assert report.verdict.startswith("incomplete")
    assert "lie at a kink" in report.checks[0].where


def kink_places():
    seen = []
    check_gradients(make_layer(lambda x: seen.append(x.copy()) or x, lambda dy: dy), in_shape=(3,))
    return seen[0]


X = kink_places()


def test_kinks_on_the_way_are_left_out_counted_and_the_rest_is_exact():
    kinks = np.where(np.arange(15).reshape(5, 3) < 3, X, -10)

    @dataclass(eq=False)
    class Kinked(Layer):
        def forward(self, x, *, training):
            places = kinks if len(x) == len(kinks) else -10
            self.right = x > places
            return np.where(self.right, x - places, 0)

        def backward(self, dy, *, need_dx=True):
            return dy * self.right

    report = check_gradients(Kinked(), in_shape=(3,))
    assert report.exact, report
    assert "lie at a kink: left out" in report.checks[0].where


def test_what_there_is_no_time_for_is_never_exact():
    report = check_gradients(Linear(4), in_shape=(5,), seconds=1e-9)
    assert not report.exact
    assert {check.verdict for check in report.checks} == {"not checked"}
    assert report.verdict.startswith("incomplete: 5 of 5")


def test_more_samples_are_more_comparisons_and_the_same_seed_gives_the_same_report():
    few, many = (check_gradients(Linear(9), in_shape=(30,), samples=samples) for samples in (2, 40))
    assert few.comparisons < many.comparisons
    assert few == check_gradients(Linear(9), in_shape=(30,), samples=2)
    assert few != check_gradients(Linear(9), in_shape=(30,), samples=2, seed=1)


def test_the_users_own_object_stays_as_it_is():
    layer, loss = Swish(), SoftmaxLoss()
    layer.forward(np.ones((2, 5)), training=True)
    value = loss.forward(np.ones((2, 3)), np.array([0, 1]))
    before = loss.backward().copy()
    check_gradients(layer, in_shape=(7,))
    check_gradients(loss)
    assert layer.x.shape == (2, 5)
    assert value == pytest.approx(np.log(3))
    np.testing.assert_array_equal(loss.backward(), before)


def test_what_cannot_be_checked_is_said():
    with pytest.raises(TypeError, match=r"make one: Swish\(\)"):
        check_gradients(Swish, in_shape=(5,))
    with pytest.raises(TypeError, match="a layer or a loss, a function or a node's class: not int"):
        check_gradients(3)
    with pytest.raises(TypeError, match="needs in_shape"):
        check_gradients(Swish())
    with pytest.raises(ConfigError, match=r"in_shape=\(0,\)"):
        check_gradients(Swish(), in_shape=(0,))
    with pytest.raises(ConfigError, match="put a `flatten` before it"):
        check_gradients(Linear(3), in_shape=(4, 4))


@dataclass(eq=False)
class Squares(Loss):
    """Of logits and class indices alone."""

    how: str = "right"

    def forward(self, predictions, targets):
        self.error = predictions - np.eye(predictions.shape[1])[targets]
        return float(np.square(self.error).sum(axis=1).mean())

    def backward(self, upstream=1.0):
        right = upstream * 2 * self.error / len(self.error)
        return {"right": right, "no u": right / upstream, "sum": right * len(right), "sign": -right}[self.how]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("right", ""),
        ("no u", "the upstream gradient u is not in it"),
        ("sum", "N times too large (N = 32): the gradient of the sum over the batch"),
        ("sign", "backward has the wrong sign"),
    ],
)
def test_a_users_loss_that_takes_class_indices_alone(how, words):
    report = check_gradients(Squares(how))
    assert report.exact == (how == "right"), report
    assert words in "\n".join(report.faults)
    assert [check.verdict for check in report.checks if check.what == "dL/d targets"] == ["not judged"]


def test_a_wrong_targets_gradient_is_seen():
    class Wrong(CrossEntropy):
        def targets_gradient(self, upstream=1.0):
            return -super().targets_gradient(upstream)

    report = check_gradients(Wrong())
    assert report.faults == ["loss Wrong: targets_gradient has the wrong sign"]


def test_relu_is_checked_on_both_sides_of_its_kink():
    @dataclass(eq=False)
    class Open(ReLU):
        def backward(self, dy, *, need_dx=True):
            return dy

    assert not check_gradients(Open(), in_shape=(6,)).exact


def test_a_loss_that_is_wrong_for_soft_targets_alone_is_seen():
    class Hardened(SoftmaxLoss):
        def forward(self, predictions, targets):
            self.targets = targets if targets.ndim == 1 else targets.argmax(axis=1)
            return super().forward(predictions, targets)

        def backward(self, upstream=1.0):
            super().forward(self._logits, self.targets)
            return super().backward(upstream)

    report = check_gradients(Hardened())
    assert {check.what for check in report.wrong} == {
        f"dL/d predictions, {size}" for size in ("1 image", "7 images", "10 images", "32 images")
    }
