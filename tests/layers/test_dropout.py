import numpy as np
import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.layers.activations import ReLU
from mnist_trainer.layers.dropout import Dropout, dropout_mask
from mnist_trainer.layers.layer import Part
from mnist_trainer.layers.linear import Linear
from mnist_trainer.model import Sequential


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_in_training_a_share_is_zero_and_the_rest_scaled_to_keep_the_mean(built, rate):
    stack = built([Dropout(rate)], (1000,), max_batch=100)
    x = np.ones((100, 1000))
    y = stack.forward(x)
    kept = y[y != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-15)
    assert abs(len(kept) / x.size - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / x.size)


def test_every_batch_has_a_mask_of_its_own_and_backward_uses_the_last_one(built):
    stack = built([Dropout(0.5)], (50,))
    x = np.ones((8, 50))
    first, second = (stack.model.forward(x, training=True).copy() for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(stack.backward(np.ones((8, 50))), second)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 1.0])
def test_keep_mask_is_true_with_the_probability_into_a_leading_slice(dtype, keep):
    scratch, out = np.empty((600, 200), dtype), np.zeros((600, 200), np.bool_)
    mask = dropout_mask(np.random.default_rng(0), keep, scratch=scratch[:500], out=out[:500])
    assert np.shares_memory(mask, out)
    assert not out[500:].any()
    assert abs(mask.mean() - keep) <= 5 * np.sqrt(keep * (1 - keep) / mask.size)
    columns = mask.mean(axis=0)  # no unit is kept more often than another
    assert abs(columns - keep).max() <= 5 * np.sqrt(keep * (1 - keep) / 500)


def test_parts_of_a_batch_get_the_masks_that_the_whole_one_would(built):
    whole, first, second = (built([Dropout(0.5)], (50,)) for _ in range(3))
    x = whole.input(8)
    first.model.take_part(Part(0, 8))
    second.model.take_part(Part(3, 8))
    parts = [first.forward(x[:3]), second.forward(x[3:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole.forward(x))
    dy = whole.output_gradient(8)
    np.testing.assert_array_equal(second.backward(dy[3:]), whole.backward(dy)[3:])


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0, True)])
def test_outside_training_and_at_rate_zero_it_is_the_identity(built, rate, training):
    stack = built([Dropout(rate)], (5,))
    x = stack.input(8)
    np.testing.assert_array_equal(stack.forward(x, training=training), x)


def test_two_dropout_layers_have_masks_of_their_own(built):
    stack = built([Linear(40), Dropout(0.5), Dropout(0.5)], (3,))
    y = stack.forward(stack.input(8))
    assert abs((y == 0).mean() - 0.75) < 0.1  # the same mask twice would leave a half


def test_evaluation_draws_nothing(built):
    evaluated, plain = built([Dropout(0.5)], (50,)), built([Dropout(0.5)], (50,))
    x = plain.input(8)
    evaluated.model.forward(x, training=False)
    np.testing.assert_array_equal(evaluated.model.forward(x, training=True), plain.model.forward(x, training=True))


def test_adding_dropout_leaves_the_other_layers_initial_weights(built):
    plain = built([Linear(7), ReLU(), Linear(3)], (5,))
    dropped = built([Dropout(), Linear(7), ReLU(), Dropout(0.2), Linear(3)], (5,))
    np.testing.assert_array_equal(plain.parameters.views["0.weights"], dropped.parameters.views["1.weights"])
    np.testing.assert_array_equal(plain.parameters.views["2.weights"], dropped.parameters.views["4.weights"])


def test_another_random_layer_behind_it_leaves_its_masks():
    masks = []
    for more in ([], [Dropout(0.3)]):
        dropout, x = Dropout(0.5), np.ones((8, 50))
        model = Sequential([dropout, *more], (50,), 8, np.float64, np.random.default_rng(0))
        for _ in range(2):
            model.forward(x, training=True)
        masks.append(dropout.forward(x, training=True).copy())
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan")])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(ConfigError, match=r"rate=.* is out of range: must be at least 0 and below 1"):
        Dropout(rate)
