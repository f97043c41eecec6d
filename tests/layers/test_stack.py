import numpy as np
import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels import affine
from mnist_trainer.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.reshape import Flatten, Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.layers.stack import Stack

STACKS = {
    "mlp": lambda: [Flatten(), Linear(16), ReLU(), Dropout(0.2), Linear(12), LeakyReLU(), Linear(5)],
    "smooth, with softmax": lambda: [Flatten(), Linear(16), Tanh(), Linear(9), Sigmoid(), Linear(7), Softmax()],
    "residual": lambda: [
        Flatten(),
        Linear(8),
        GELU(),
        Residual([Linear(6), ReLU(), Residual([Linear(6), Tanh(), Dropout(0.5)]), Linear(8)]),
        ReLU(),
        Linear(4),
    ],
    "residual first": lambda: [Residual([Flatten(), Linear(12), Reshape((4, 3))]), Flatten(), Linear(3)],
}


@pytest.fixture
def products(monkeypatch):
    """Count the products dy Wᵀ by their shapes."""
    shapes, original = [], affine.input_gradient

    def counted(dy, weights, **arrays):
        shapes.append(weights.shape)
        return original(dy, weights, **arrays)

    monkeypatch.setattr(affine, "input_gradient", counted)
    return shapes


class Untouchable(Layer):
    """A layer that must not be asked for a gradient."""

    reads_output = False
    keeps_storage = True

    def forward(self, x, *, training):
        return x

    def backward(self, dy, *, need_dx=True):
        raise AssertionError("nobody needs this gradient")


@pytest.mark.parametrize("n", [1, 5, 8])
@pytest.mark.parametrize("name", STACKS)
def test_whole_stacks_have_the_gradient_by_finite_differences(built, assert_gradients, name, n):
    assert_gradients(built(STACKS[name](), (4, 3)), n)


@pytest.mark.parametrize("name", STACKS)
def test_the_parameters_gradients_are_the_same_without_dx(built, name):
    stack = built(STACKS[name](), (4, 3))
    stack.forward(stack.input(5))
    dy = stack.output_gradient(5)
    stack.backward(dy)
    kept = stack.parameters.gradients.copy()
    stack.forward(stack.input(5))
    assert stack.backward(dy, need_dx=False) is None
    np.testing.assert_array_equal(stack.parameters.gradients, kept)


def test_the_first_trainable_layer_s_dx_is_not_computed_nor_anything_before_it(built, products):
    stack = built([Untouchable(), Flatten(), Linear(4), ReLU(), Linear(3), Tanh(), Linear(2)], (6,))
    stack.forward(stack.input(5))
    stack.backward(stack.output_gradient(5), need_dx=False)
    assert products == [(3, 2), (4, 3)]


def test_nor_inside_a_residual_that_comes_first(built, products):
    stack = built([Residual([Untouchable(), Linear(4), ReLU(), Linear(6)]), Linear(2)], (6,))
    stack.forward(stack.input(5))
    stack.backward(stack.output_gradient(5), need_dx=False)
    assert products == [(6, 2), (4, 6)]


def test_a_stack_without_parameters_has_nothing_to_do_without_dx(built):
    stack = built([Untouchable(), Untouchable()], (6,))
    stack.forward(stack.input(5))
    assert stack.backward(stack.output_gradient(5), need_dx=False) is None


def test_the_shapes_are_what_each_layer_gets(built):
    stack = built([Flatten(), Linear(3), Reshape((3, 1))], (4, 2))
    assert stack.model.stack.shapes == [(4, 2), (8,), (3,)]
    assert stack.model.out_shape == (3, 1)


ERRORS = {
    "linear on images": (
        lambda: [Linear(3)],
        "layers.0 (Linear): expects a flat input, and gets one of shape (4, 3): put a `flatten` before it",
    ),
    "softmax on images": (
        lambda: [Reshape((2, 6)), Softmax()],
        "layers.1 (Softmax): expects a flat input, and gets one of shape (2, 6): put a `flatten` before it",
    ),
    "another size": (
        lambda: [Flatten(), Linear(5), Reshape((2, 3))],
        "layers.2 (Reshape): can't bring 5 values of shape (5,) into shape [2, 3]",
    ),
    "nothing for -1": (
        lambda: [Reshape((5, -1))],
        "layers.0 (Reshape): can't bring 12 values of shape (4, 3) into shape [5, -1]",
    ),
    "two of -1": (
        lambda: [Reshape((-1, -1))],
        "layers.0 (Reshape): can't bring 12 values of shape (4, 3) into shape [-1, -1]",
    ),
    "a size of zero": (
        lambda: [Reshape((0, -1))],
        "layers.0 (Reshape): can't bring 12 values of shape (4, 3) into shape [0, -1]",
    ),
    "residual that changes the shape": (
        lambda: [Flatten(), Residual([Linear(5)])],
        "layers.1 (Residual): its layers turn shape (12,) into (5,): x + f(x) needs the same shape",
    ),
    "nested": (
        lambda: [Flatten(), Residual([Reshape((3, 4)), Linear(5)])],
        "layers.1.layers.1 (Linear): expects a flat input, and gets one of shape (3, 4): put a `flatten` before it",
    ),
    "nested twice": (
        lambda: [Residual([Flatten(), Residual([Linear(9)])])],
        "layers.0.layers.1 (Residual): its layers turn shape (12,) into (9,): x + f(x) needs the same shape",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_layer_that_does_not_fit_is_named_with_its_index_and_what_would_fit(built, name):
    make, message = ERRORS[name]
    with pytest.raises(ConfigError) as caught:
        built(make(), (4, 3))
    assert str(caught.value) == message


def test_a_residual_connection_needs_a_layer():
    with pytest.raises(ConfigError, match="layers is empty: a residual connection needs at least one layer"):
        Residual([])


def test_a_layer_that_stands_twice_in_a_stack_is_refused_since_backward_could_remember_one_pass_only():
    relu = ReLU()
    with pytest.raises(ConfigError, match="the same object twice"):
        Stack([Linear(3), relu, Linear(3), relu]).build((3,), 2, np.float64)
