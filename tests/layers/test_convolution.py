import numpy as np
import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels import convolution, winograd
from mnist_trainer.kernels.pooled_patches import PooledPatchRoom
from mnist_trainer.kernels.pooled_winograd import PooledWinogradRoom
from mnist_trainer.layers.activations import ReLU, Tanh
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.fused import ConvReLUPool
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.layers.pooling import AvgPool2d, MaxPool2d
from mnist_trainer.layers.reshape import Flatten


@pytest.mark.parametrize(
    ("after", "variance"),
    [([ReLU()], 2 / 90), ([BatchNorm(), ReLU()], 2 / 90), ([Tanh()], 2 / 630), ([MaxPool2d(2)], 1 / 90)],
)
def test_initial_weights_have_the_variance_of_their_fan_in(built, after, variance):
    weights = built([Conv2d(60, 3), *after], (5, 5, 10)).parameters.views["0.weights"]
    assert abs(weights.var() / variance - 1) < 5 * np.sqrt(2 / weights.size)


@pytest.mark.parametrize(("room", "channels"), [(None, 2), (PooledPatchRoom, 2), (PooledWinogradRoom, 16)])
def test_without_dx_the_input_s_gradient_is_not_computed(built, monkeypatch, room, channels):
    layers = [Conv2d(16, 3)] if room is None else [Conv2d(16, 3), ReLU(), MaxPool2d(2)]
    stack = built(layers, (6, 6, channels))
    (step,) = stack.model.steps
    assert type(step) is Conv2d if room is None else type(step.room) is room
    stack.forward(stack.input(5))
    stack.backward(stack.output_gradient(5))
    kept = stack.parameters.gradients.copy()

    def refuse(*arguments, **more):
        raise AssertionError("nobody needs this gradient")

    monkeypatch.setattr(convolution, "flip_kernel", refuse)
    monkeypatch.setattr(winograd, "add_tiles", refuse)
    stack.forward(stack.input(5))
    assert stack.backward(stack.output_gradient(5), need_dx=False) is None
    np.testing.assert_array_equal(stack.parameters.gradients, kept)


FUSED = {
    "one channel": (lambda: [Conv2d(3, 5, padding=2), ReLU(), MaxPool2d(2)], (6, 7, 1)),
    "two in a row": (
        lambda: [Conv2d(3, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(4, (2, 3)), ReLU(), MaxPool2d((3, 1))],
        (9, 8, 2),
    ),
    "no bias": (lambda: [Conv2d(2, 2, bias=False), ReLU(), MaxPool2d((1, 2), (1, 2)), Flatten()], (4, 5, 3)),
    "winograd": (lambda: [Conv2d(17, 3, padding=1), ReLU(), MaxPool2d(2)], (4, 6, 16)),
    "winograd without bias": (lambda: [Conv2d(16, 3, padding=(0, 2), bias=False), ReLU(), MaxPool2d(2)], (6, 4, 16)),
}


@pytest.mark.parametrize("n", [1, 5, 8])
@pytest.mark.parametrize("name", FUSED)
def test_convolution_relu_and_pooling_in_one_have_the_gradient_by_finite_differences(built, assert_gradients, name, n):
    make, in_shape = FUSED[name]
    stack = built(make(), in_shape)
    assert isinstance(stack.model.steps[0], ConvReLUPool)
    assert isinstance(stack.model.steps[0].room, PooledWinogradRoom if "winograd" in name else PooledPatchRoom)
    assert_gradients(stack, n)


@pytest.mark.parametrize("name", FUSED)
def test_a_short_batch_after_a_full_one_is_as_if_it_were_alone(built, name):
    make, in_shape = FUSED[name]
    used, fresh = built(make(), in_shape), built(make(), in_shape)
    used.forward(used.input(8, seed=9))
    used.backward(used.output_gradient(8, seed=9))
    x, dy = fresh.input(3), fresh.output_gradient(3)
    np.testing.assert_array_equal(used.forward(x), fresh.forward(x))
    np.testing.assert_array_equal(used.backward(dy), fresh.backward(dy))
    np.testing.assert_array_equal(used.parameters.gradients, fresh.parameters.gradients)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [Conv2d(2, 3, stride=2), ReLU(), MaxPool2d(2)],
        lambda: [Conv2d(2, 2, padding=2), ReLU(), MaxPool2d(2)],
        lambda: [Conv2d(2, 3), ReLU(), MaxPool2d(2, 1)],
        lambda: [Conv2d(2, 3), ReLU(), MaxPool2d(2, 2, 1)],
        lambda: [Conv2d(2, 3), ReLU(), AvgPool2d(2)],
        lambda: [Conv2d(2, 3), Tanh(), MaxPool2d(2)],
    ],
)
def test_what_does_not_fit_together_is_computed_layer_by_layer(built, assert_gradients, layers):
    stack = built(layers(), (8, 8, 2))
    assert stack.model.steps == stack.model.stack.layers
    assert_gradients(stack, 3)


ERRORS = {
    "flat": ([Flatten(), Conv2d(2, 3)], "layers.1 (Conv2d): expects images (height, width, channels), and gets"),
    "kernel": (
        [Conv2d(2, 7)],
        "layers.0 (Conv2d): a kernel of 7x7 is larger than its input of 4x5 with padding (0, 0)",
    ),
    "pool": ([MaxPool2d(5)], "layers.0 (MaxPool2d): a kernel of 5x5 is larger than its input of 4x5"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_input_that_does_not_fit_is_named(built, name):
    layers, message = ERRORS[name]
    with pytest.raises(ConfigError) as caught:
        built(layers, (4, 5, 1))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2d(0, 3), "filters=0"),
        (lambda: Conv2d(2, (3, 0)), r"kernel=\(3, 0\) is out of range"),
        (lambda: Conv2d(2, (3, 3, 3)), r"kernel=\(3, 3, 3\): must be one number, or two"),
        (lambda: MaxPool2d(2, padding=2), "padding=2 is more than half of kernel=2"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
