"""Code of anybody's, without the project's base classes: what it may look like, and what is said of it."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.api import Layer, Loss, check_gradients

RNG = np.random.default_rng(5)
N, C = 6, 10
Z = 2 * RNG.standard_normal((N, C))
LABELS = RNG.integers(0, C, N)
T = np.eye(C)[LABELS]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


P = softmax(Z)


def jacobian_applied(gradient, z):
    p = softmax(z)
    return p * (gradient - (gradient * p).sum(axis=1, keepdims=True))


class NetNode:
    """A student's own base class, which her text leaves out."""

    def __init__(self, data, *inputs):
        self.data, self.inputs = np.asarray(data), inputs
        self.g = np.zeros_like(self.data)

    def backward(self):
        self.g = np.ones_like(self.data)
        self._back(*self.inputs)

    def _back(self, *_):
        for node in self.inputs:
            node._back(*node.inputs)


class SoftMax(NetNode):
    """As posted."""

    def __init__(self, x):
        ex = np.exp(x.data - np.max(x.data, axis=1, keepdims=True))
        super().__init__(ex / np.sum(ex, axis=1, keepdims=True), x)

    def _back(self, x):
        g = self.data * (np.eye(self.data.shape[0]) - self.data)
        x.g += self.g * g
        super()._back()


class Answered(SoftMax):
    """With the derivative that its author posted as the answer."""

    def _back(self, x):
        x.g += self.g * (self.data * (1.0 - self.data))


class Right(SoftMax):
    def _back(self, x):
        x.g += self.data * (self.g - (self.g * self.data).sum(axis=1, keepdims=True))
        NetNode._back(self)


class LCE(NetNode):
    """As posted."""

    def __init__(self, p, t):
        super().__init__(np.mean(-np.sum(t.data * np.log(p.data), axis=1)), p, t)

    def _back(self, p, t):
        p.g += self.g * (p.data - t.data) / t.data.shape[0]
        t.g += self.g * -np.log(p.data) / t.data.shape[0]
        super()._back()


class RightLCE(LCE):
    def _back(self, p, t):
        p.g += self.g * -t.data / p.data / t.data.shape[0]
        t.g += self.g * -np.log(p.data) / t.data.shape[0]
        NetNode._back(self)


class HomeworkLoss:
    """The homework's `SoftmaxLoss`, as posted."""

    @staticmethod
    def softmax(input):  # noqa: A002
        exp = np.exp(input - np.max(input, axis=1, keepdims=True))
        return exp / np.sum(exp, axis=1, keepdims=True)

    @staticmethod
    def forward(inputs):
        softmax = HomeworkLoss.softmax(inputs[0])
        labels = inputs[1]
        return np.mean(-np.sum(labels * np.log(softmax), axis=1))

    @staticmethod
    def backward(inputs, gradient):
        softmax = HomeworkLoss.softmax(inputs[0])
        return [
            gradient * (softmax - inputs[1]) / inputs[0].shape[0],
        ]


def told(report):
    return "\n".join(report.faults)


def test_the_homeworks_loss_is_right_for_targets_that_sum_to_1():
    report = check_gradients(HomeworkLoss, Z, T)
    assert report.exact, report
    assert "(p − t)/N, which is right only for targets whose rows sum to 1" in "\n".join(report.notes)


def test_the_posted_softmax_cannot_run_on_her_batch_and_is_named_where_there_are_as_many_images_as_classes():
    report = check_gradients(SoftMax, Z)
    cannot, named = report.faults
    assert "backward, 6 images: ValueError: operands could not be broadcast" in cannot
    assert "SoftMax, 10 images: the backward of softmax is dp ⊙ (p ⊙ (I_N − p))" in named


def test_the_posted_answer_is_the_diagonal_only():
    (fault,) = check_gradients(Answered, Z).faults
    assert "keeps only the diagonal of the Jacobian" in fault


def test_the_posted_cross_entropy_has_the_softmax_in_its_first_derivative_and_the_second_is_right():
    report = check_gradients(LCE, P, T)
    (fault,) = report.faults
    assert fault.startswith("loss LCE: backward is (p − t)/N: the derivative with respect to the logits, with the")
    assert {check.verdict for check in report.checks if check.what.startswith("dL/d targets")} == {"exact"}


CHAINS = {
    "right": (Right, RightLCE, ""),
    "posted": (SoftMax, LCE, "the identity has the size of the batch"),
    "answered": (Answered, LCE, "p(1 − p) ⊙ (p − t)/N: of the softmax's Jacobian only the diagonal"),
    "diagonal": (Answered, RightLCE, "but of the softmax's Jacobian only the diagonal is applied to it"),
    "twice": (Right, LCE, "the softmax's derivative is applied twice"),
}


@pytest.mark.parametrize(("first", "second", "words"), CHAINS.values(), ids=CHAINS)
def test_a_graph_of_both_nodes_is_checked_as_one_function_of_the_logits(first, second, words):
    report = check_gradients(lambda z, t: second(first(z), t), Z, T, node=NetNode)
    assert report.exact == (not words), report
    assert words in told(report)


def test_right_nodes_that_add_to_the_gradients_are_right():
    for report in (check_gradients(Right, Z), check_gradients(RightLCE, P, T)):
        assert report.exact, report


def test_two_functions():
    assert check_gradients(softmax, jacobian_applied, Z).exact
    assert "keeps only the diagonal" in told(
        check_gradients(softmax, lambda g, z: g * softmax(z) * (1 - softmax(z)), Z)
    )


def mean_loss(z, labels):
    return -np.log(softmax(z)[np.arange(len(z)), labels]).mean()


def test_a_loss_of_class_indices():
    def backward(gradient, z, labels):
        return gradient * (softmax(z) - np.eye(z.shape[1])[labels]) / len(z)

    report = check_gradients(mean_loss, backward, Z, LABELS)
    assert report.exact, report
    no_mean = check_gradients(mean_loss, lambda g, z, labels: len(z) * backward(g, z, labels), Z, LABELS)
    assert "N times too large" in told(no_mean)
    no_upstream = check_gradients(mean_loss, lambda z, labels: backward(1, z, labels), Z, LABELS)
    assert "the upstream gradient u is not in it" in told(no_upstream)


def test_the_upstream_gradient_may_come_last():
    def backward(z, grad):
        return jacobian_applied(grad, z)

    assert check_gradients(softmax, backward, Z).exact


class Remembering:
    """A layer as many write it, which keeps its input."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


def test_an_object_that_remembers_its_input_or_its_class():
    assert check_gradients(Remembering(), Z).exact
    assert check_gradients(Remembering, Z).exact


def test_a_function_of_several_arrays_has_a_gradient_for_each():
    w, b = RNG.standard_normal((C, 4)), RNG.standard_normal(4)

    def backward(dy, x, w, b):
        return dy @ w.T, x.T @ dy, dy.sum(axis=0)

    report = check_gradients(lambda x, w, b: x @ w + b, backward, Z, w, b)
    assert report.exact, report
    assert {check.what for check in report.checks} >= {"dL/dx, 6 images", "dL/d w, 6 images", "dL/d b, 6 images"}
    wrong = check_gradients(lambda x, w, b: x @ w + b, lambda *all: backward(*all)[:2], Z, w, b)
    assert not wrong.exact


def test_the_examples_tell_where_a_function_is_defined():
    assert check_gradients(np.log, lambda g, x: g / x, P).exact


class Value:
    """Nodes of another make: a closure goes back, and an order is made of the graph."""

    def __init__(self, value, children=()):
        self.value, self._prev, self.grad = value, set(children), 0.0
        self._backward = lambda: None

    def backward(self):
        order = []

        def visit(node):
            for child in node._prev:
                visit(child)
            order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node._backward()


def test_nodes_of_another_make():
    def squared(x):
        out = Value(x.value**2, (x,))

        def _backward():
            x.grad += 2 * x.value * out.grad

        out._backward = _backward
        return out

    assert check_gradients(squared, Z, node=Value).exact
    assert check_gradients(lambda x: squared(x), Z).exact


def test_what_cannot_be_checked_is_said():
    with pytest.raises(TypeError, match="softmax needs example arrays"):
        check_gradients(softmax)
    with pytest.raises(TypeError, match=r"can't make a node by softmax .* a function and its backward"):
        check_gradients(softmax, Z)
    with pytest.raises(TypeError, match="takes a layer or a loss, a function or a node's class: not int"):
        check_gradients(3, Z)


@dataclass(eq=False)
class Wrapped(Loss):
    """Her nodes within a loss of this project's; `keeps` says what the gradients of an earlier batch become."""

    keeps: bool = False
    g: object = field(default=0.0, init=False)

    def forward(self, predictions, targets):
        self.z = NetNode(predictions)
        self.loss = RightLCE(Right(self.z), NetNode(np.eye(C)[targets] if targets.ndim == 1 else targets))
        if self.keeps and np.shape(self.g) == predictions.shape:
            self.z.g = self.g
        return self.loss.data

    def backward(self, upstream=1.0):
        p, t = self.loss.inputs
        p.g, self.loss.g = np.zeros_like(p.data), upstream
        self.loss._back(p, t)
        self.g = self.z.g
        return self.z.g


def test_code_that_adds_to_its_gradients_is_recognised_as_such_and_not_as_a_missing_upstream_gradient():
    report = check_gradients(Wrapped())
    assert report.exact, report
    assert any("backward adds to what the last call left: it is right if called once" in note for note in report.notes)
    (fault,) = check_gradients(Wrapped(keeps=True)).faults
    assert "backward adds to what the last call left, after a new forward, too: let forward set the gradient" in fault


@dataclass(eq=False)
class AddingLayer(Layer):
    def forward(self, x, *, training):
        self.dx = getattr(self, "dx", 0) if training else 0
        return 3 * x

    def backward(self, dy, *, need_dx=True):
        self.dx = self.dx + 3 * dy
        return self.dx


def test_a_layer_that_adds_to_its_last_batchs_gradient_is_wrong():
    (fault,) = check_gradients(AddingLayer(), in_shape=(4,)).faults
    assert "backward adds to what the last call left, in dL/dx" in fault


FORWARDS = {
    "None": lambda *arrays: None,
    "a list": lambda *arrays: arrays[0].tolist(),
    "a word": lambda *arrays: "x",
    "a number": lambda *arrays: arrays[0].sum(),
    "rows": lambda *arrays: arrays[0].sum(axis=-1),
    "itself": lambda *arrays: arrays[0],
    "nan": lambda *arrays: arrays[0] * np.nan,
    "an error": lambda *arrays: 1 / 0,
    "noise": lambda *arrays: arrays[0] + np.random.default_rng().random(arrays[0].shape),
}
BACKWARDS = {
    "None": lambda g, *arrays: None,
    "g": lambda g, *arrays: g,
    "a list": lambda g, *arrays: [g],
    "a part": lambda g, *arrays: np.asarray(g).reshape(-1)[:1],
    "too many": lambda g, *arrays: (g,) * 4,
    "a word": lambda g, *arrays: "x",
    "an error": lambda g, *arrays: 1 / 0,
    "as many": lambda g, *arrays: np.mean(g) * np.ones_like(arrays[0]),
}
EXAMPLES = [(Z,), (Z, T), (Z, LABELS), (Z, Z), (Z[0],), (RNG.standard_normal((4, 2, 3)),), (LABELS,)]
RIGHT = {("itself", "g"), ("itself", "a list"), ("itself", "too many"), ("rows", "as many"), ("a number", "as many")}


@given(st.sampled_from(sorted(FORWARDS)), st.sampled_from(sorted(BACKWARDS)), st.sampled_from(range(len(EXAMPLES))))
def test_whatever_code_returns_a_report_is_made_and_only_right_code_is_exact(forward, backward, example):
    report = check_gradients(FORWARDS[forward], BACKWARDS[backward], *EXAMPLES[example], samples=2)
    assert str(report)
    assert report.exact or report.faults or report.unchecked or not report.wrong
    if (forward, backward) not in RIGHT and len(EXAMPLES[example]) == 1 and EXAMPLES[example][0].ndim > 1:
        assert not report.exact


def test_what_a_function_must_return_is_said():
    (fault,) = check_gradients(lambda z: z.sum(), lambda g, z: g * np.ones_like(z), Z).faults
    assert "must be an array of as many rows as its input; or else one number, of predictions (N, C)" in fault
    with pytest.raises(TypeError, match=r"needs example arrays: its input, as z of shape \(N, C\)"):
        check_gradients(softmax, jacobian_applied, 3.0)
