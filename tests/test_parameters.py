import numpy as np
import pytest

from mnist_trainer.parameters import Parameters

SHAPES = {"0.weights": (3, 4), "0.bias": (4,), "1.scale": (4,), "2.weights": (4, 2), "2.bias": (2,)}


@pytest.fixture(params=[np.float32, np.float64])
def parameters(request):
    return Parameters(SHAPES, {"0.weights", "2.weights"}, request.param)


def test_decayed_parameters_come_first_and_each_half_keeps_the_layers_order(parameters):
    for number, name in enumerate(SHAPES):
        parameters.views[name].fill(number)
    assert (parameters.size, parameters.decayed) == (30, 20)
    assert parameters.values.tolist() == [0] * 12 + [3] * 8 + [1] * 4 + [2] * 4 + [4] * 2


def test_views_are_the_flat_vectors_own_storage(parameters):
    assert {name: view.shape for name, view in parameters.views.items()} == SHAPES
    assert {name: view.shape for name, view in parameters.gradient_views.items()} == SHAPES
    parameters.values[...] = np.arange(30)
    parameters.gradients[...] = -np.arange(30)
    for name, view in parameters.views.items():
        assert np.shares_memory(view, parameters.values)
        np.testing.assert_array_equal(parameters.gradient_views[name], -view)
    every = np.concatenate([view.ravel() for view in parameters.views.values()])
    np.testing.assert_array_equal(every, parameters.values)


def test_no_parameters_make_empty_vectors():
    parameters = Parameters({}, set(), np.float32)
    assert (parameters.size, parameters.decayed, parameters.values.size) == (0, 0, 0)
