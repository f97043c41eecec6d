from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.layers.layer import Part
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.layers.residual import Residual


@pytest.mark.parametrize("in_shape", [(3,), (4, 2, 3)])
def test_training_normalises_over_the_batch_and_evaluation_by_the_running_statistics(built, in_shape):
    stack = built([BatchNorm()], in_shape)
    axes = tuple(range(len(in_shape)))
    stack.parameters.views["0.scale"].fill(1)
    stack.parameters.views["0.shift"].fill(0)
    mean, variance = np.zeros(3), np.ones(3)
    for seed in range(3):
        x = 5 + 2 * stack.input(8, seed=seed)
        y = stack.forward(x)
        np.testing.assert_allclose(y.mean(axes), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axes), 1, atol=1e-4)
        mean = 0.9 * mean + 0.1 * x.mean(axes)
        variance = 0.9 * variance + 0.1 * x.var(axes, ddof=1)
    state = stack.model.stack.state()
    np.testing.assert_allclose(state["0.running_mean"], mean)
    np.testing.assert_allclose(state["0.running_variance"], variance)
    y = stack.forward(x, training=False)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5))
    np.testing.assert_allclose(stack.model.stack.state()["0.running_mean"], mean)  # evaluation leaves them


@pytest.mark.parametrize("in_shape", [(3,), (4, 2, 3)])
def test_parts_that_add_up_are_normalised_as_the_whole_batch(built, in_shape):
    whole, *parts = (built([BatchNorm()], in_shape) for _ in range(3))
    x, dy = 5 + 2 * whole.input(8), whole.output_gradient(8)
    y, dx = whole.forward(x).copy(), whole.backward(dy.copy())
    bounds, given, met = [slice(0, 5), slice(5, 8)], [None, None], Barrier(2, timeout=300)

    def go(number):
        def add_up(sums):
            given[number] = sums.copy()
            met.wait()
            np.add(*given, out=sums)
            met.wait()  # before the next ones are given
            return sums

        part, rows = parts[number], bounds[number]
        part.model.take_part(Part(rows.start, 8, add_up))
        return part.forward(x[rows]).copy(), part.backward(dy[rows].copy())

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(go, range(2)))
    for index, expected in enumerate((y, dx)):
        np.testing.assert_allclose(np.concatenate([each[index] for each in done]), expected, atol=1e-12)
    for name, gradient in whole.parameters.gradient_views.items():
        total = sum(part.parameters.gradient_views[name] for part in parts)
        np.testing.assert_allclose(total, gradient, atol=1e-12)
    for part in parts:
        for name, array in whole.model.arrays.items():
            np.testing.assert_allclose(part.model.arrays[name], array, rtol=1e-12, err_msg=name)


def test_one_value_a_channel_is_normalised_by_the_running_statistics_which_stay(built):
    stack = built([BatchNorm()], (3,))
    x = stack.input(1)
    np.testing.assert_array_equal(stack.forward(x, training=True).copy(), stack.forward(x, training=False))
    assert stack.model.arrays["0.running_mean"].tolist() == [0, 0, 0]
    assert stack.model.arrays["0.running_variance"].tolist() == [1, 1, 1]


def test_the_model_s_arrays_hold_the_state_also_of_nested_layers(built):
    stack = built([Linear(4), Residual([Linear(4), BatchNorm()]), BatchNorm()], (3,))
    names = {f"{path}.running_{what}" for path in ("1.1", "2") for what in ("mean", "variance")}
    assert stack.model.arrays.keys() - stack.parameters.views.keys() == names
    stack.forward(stack.input(8))
    assert all(np.abs(stack.model.arrays[name] - float("var" in name)).min() > 0 for name in names)


def test_scale_and_shift_do_not_decay(built):
    assert built([Linear(4), BatchNorm()], (3,)).model.stack.decayed() == {"0.weights"}


@pytest.mark.parametrize("momentum", [0, 1.5])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ConfigError, match="momentum"):
        BatchNorm(momentum=momentum)
