import numpy as np
import pytest

from mnist_trainer import registry

KINDS = tuple(registry.layers)  # as they are before any test registers one of its own


def test_every_registered_kind_has_its_case(pytestconfig):
    conftest = next(p for p in pytestconfig.pluginmanager.get_plugins() if hasattr(p, "CASES"))
    missing = set(KINDS) - set(conftest.CASES)
    assert not missing, f"give these kinds a case in {conftest.__file__}: {missing}"
    for kind in KINDS:
        for case in conftest.CASES[kind]:
            assert type(case.make()) is registry.layers[kind]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [1, 5, 8])
def test_backward_is_the_gradient_by_finite_differences(built, case, assert_gradients, n, training):
    assert_gradients(built([case.make()], case.in_shape), n, training=training)


@pytest.mark.parametrize("n", [1, 5, 8])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 2e-6)])
def test_forward_is_the_formula(built, case, n, dtype, tolerance):
    stack = built([case.make()], case.in_shape, dtype=dtype)
    x = stack.input(n)
    parameters = {name: view.astype(np.float64) for name, view in stack.parameters.views.items()}
    y, expected = stack.forward(x, training=False), case.formula(x.astype(np.float64), parameters)
    assert y.dtype == dtype
    assert y.shape == expected.shape == (n, *stack.model.out_shape)
    np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)


def test_a_short_batch_after_a_full_one_is_as_if_it_were_alone(built, case):
    used, fresh = built([case.make()], case.in_shape), built([case.make()], case.in_shape)
    used.forward(used.input(8, seed=9))
    used.backward(used.output_gradient(8, seed=9))
    x, dy = fresh.input(3), fresh.output_gradient(3)
    np.testing.assert_array_equal(used.forward(x), fresh.forward(x))
    np.testing.assert_array_equal(used.backward(dy), fresh.backward(dy))
    np.testing.assert_array_equal(used.parameters.gradients, fresh.parameters.gradients)


def test_the_network_s_own_input_is_left_alone(built, case):
    stack = built([case.make()], case.in_shape)
    x = stack.input(5)
    kept = x.copy()
    stack.forward(x)
    stack.backward(stack.output_gradient(5))
    np.testing.assert_array_equal(x, kept)


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_weights(built, case):
    one, two, other = (built([case.make()], case.in_shape, dtype=np.float32, seed=seed) for seed in (4, 4, 5))
    x, dy = one.input(5), one.output_gradient(5)
    assert one.forward(x).tobytes() == two.forward(x).tobytes()
    assert one.backward(dy).tobytes() == two.backward(dy).tobytes()
    assert one.parameters.values.tobytes() == two.parameters.values.tobytes()
    if one.parameters.size:
        assert one.parameters.values.tobytes() != other.parameters.values.tobytes()


@pytest.mark.parametrize("n", [1, 8])
def test_float32_differs_from_float64_by_rounding_alone(built, case, n):
    single, double = (built([case.make()], case.in_shape, dtype=dtype) for dtype in (np.float32, np.float64))
    double.parameters.values[...] = single.parameters.values
    x, dy = single.input(n), single.output_gradient(n)
    single.forward(x, training=False)
    double.forward(x.astype(np.float64), training=False)
    dx = single.backward(dy)
    assert dx.dtype == np.float32
    np.testing.assert_allclose(dx, double.backward(dy.astype(np.float64)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(single.parameters.gradients, double.parameters.gradients, rtol=1e-5, atol=1e-5)
