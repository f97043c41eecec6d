"""The moving average of the weights: what it is, and that it is what is validated, tested, kept and exported."""

import json
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.inference.loading import load
from mnist_trainer.kernels.averages import move_average
from mnist_trainer.kernels.subnormals import count_subnormals
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.model import Sequential
from mnist_trainer.training.averaging import WeightAverage
from mnist_trainer.training.interruption import Interrupted
from mnist_trainer.training.trainer import Callback


@given(
    values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12),
    weights=st.lists(st.floats(0, 1), min_size=12, max_size=12),
    block=st.integers(1, 5),
)
def test_the_average_goes_so_much_of_the_way_to_what_comes(values, weights, block):
    average, scratch, expected = np.full(3, 99.0), np.empty(block), 99.0
    for value, weight in zip(values, weights, strict=False):
        assert move_average(average, np.array([value, -value, 99.0]), weight, scratch=scratch) is average
        expected = (1 - weight) * expected + weight * value
    np.testing.assert_allclose(average[[0, 2]], [expected, 99], rtol=0, atol=1e-9 * (1 + max(map(abs, values))))


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_updates_count_the_less_the_longer_ago_and_never_much_more_than_the_last_tenth(tiny, decay):
    model = tiny.trainer(dtype=np.float64).model
    values, average = model.parameters.values, WeightAverage(model, decay)
    values.fill(0)
    for step in range(100):  # each update leaves its mark at a place of its own
        values[step - 1], values[step] = 0, 1
        average.follow(step + 1)
    found = np.concatenate([array.reshape(-1) for array in average.arrays.values()])
    shares = found[:100]
    np.testing.assert_allclose(shares, shares_of_updates(100, decay), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(shares.sum(), 1)
    assert (np.diff(shares) >= 0).all()
    assert shares[:60].sum() < 0.01
    assert (found[100:] == 0).all()


def shares_of_updates(updates, decay):
    """How much each update counts in the average after the last of them."""
    weights = np.maximum(1 - decay, 10 / (np.arange(1, updates + 1) + 9))
    kept = np.append(np.cumprod((1 - weights)[::-1])[::-1][1:], 1)
    return weights * kept


class Path(Callback):
    """Keeps what the model's arrays were after each update."""

    def on_start(self, trainer):
        self.trainer, self.arrays = trainer, []

    def on_update(self, samples):
        self.arrays.append({name: array.copy() for name, array in self.trainer.model.arrays.items()})


def averaged(arrays, decay):
    shares = shares_of_updates(len(arrays), decay)
    return {name: np.average([each[name] for each in arrays], axis=0, weights=shares) for name in arrays[0]}


@pytest.mark.parametrize("processes", [1, 2])
def test_parameters_and_running_statistics_are_averaged_over_the_updates(tiny, processes):
    path = Path()
    trainer = tiny.trainer(
        before=(BatchNorm(),), dtype=np.float64, ema_decay=0.8, callbacks=[path], processes=processes
    )
    trainer.fit()
    expected = averaged(path.arrays, 0.8)
    assert trainer.learned.keys() == expected.keys() == trainer.model.arrays.keys()
    for name, array in trainer.learned.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-10, atol=1e-12, err_msg=name)
    assert any((array != trainer.model.arrays[name]).any() for name, array in trainer.learned.items())


def test_what_is_validated_is_the_average_and_the_weights_go_on_as_they_would(tiny, recorder):
    plain, heard = tiny.trainer(before=(BatchNorm(),)), recorder()
    plain.fit()
    trainer = tiny.trainer(before=(BatchNorm(),), ema_decay=0.9, callbacks=[heard])
    trainer.fit()
    for name, array in plain.model.arrays.items():
        np.testing.assert_array_equal(trainer.model.arrays[name], array)
    *_, record = heard.told("on_epoch")
    by_average = trainer.evaluate(trainer.validation)
    assert record.validation.loss == by_average.loss != plain.evaluate(plain.validation).loss
    for name, array in trainer.learned.items():
        trainer.model.arrays[name][...] = array
    by_hand = trainer._evaluate_model(trainer.validation)
    assert (by_hand.loss, by_hand.accuracy) == (by_average.loss, by_average.accuracy)


def test_an_evaluation_that_breaks_off_leaves_the_weights(tiny, monkeypatch):
    trainer = tiny.trainer(ema_decay=0.5)
    trainer.fit()
    weights = trainer.model.parameters.values.copy()

    def broken(self, x, *, training):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sequential, "forward", broken)
    with pytest.raises(KeyboardInterrupt):
        trainer.evaluate(trainer.validation)
    np.testing.assert_array_equal(trainer.model.parameters.values, weights)


def test_the_best_average_comes_back_as_the_model_and_its_average(tiny, recorder):
    heard = recorder()
    trainer = tiny.trainer(ema_decay=0.7, epochs=6, learning_rate=2.0, callbacks=[heard])
    trainer.fit()
    best = trainer.best
    assert best.epoch < 6
    trainer.restore_best()
    assert trainer.evaluate(trainer.validation).loss == best.validation.loss
    for name, array in trainer.model.arrays.items():
        np.testing.assert_array_equal(array, trainer.learned[name])
        np.testing.assert_array_equal(array, trainer.best_arrays[name])


def test_averages_of_what_has_become_0_are_no_subnormal_numbers(tiny):
    trainer = tiny.trainer(ema_decay=0.5)
    average = WeightAverage(trainer.model, 0.5)
    trainer.model.parameters.values.fill(1e-30)
    with trainer.together():
        average.follow(1)
        trainer.model.parameters.values.fill(0)
        for step in range(2, 60):
            average.follow(step)
    assert sum(count_subnormals(array) for array in average.arrays.values()) == 0


def test_a_run_tests_and_leaves_the_average(run, configured, parameters_of):
    result, folder = run(configured(trainer__ema_decay=0.95))
    (plain, _) = run(configured(), name="plain")
    assert result.test_loss != plain.test_loss
    kept, model = parameters_of(folder / "last.npz"), load(folder)
    for name, array in model.arrays.items():
        np.testing.assert_array_equal(array, kept[name])
    checkpoint = np.load(folder / "checkpoint.npz")
    for name, array in kept.items():
        np.testing.assert_array_equal(checkpoint[f"average/{name}"], array)
        assert (checkpoint[f"model/{name}"] != array).any()
    assert json.loads((folder / "outcome.json").read_text())["test_accuracy"] == result.test_accuracy


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_a_decay_that_averages_nothing_or_never_forgets_is_refused(command, decay):
    done = command("data=digits", f"trainer.ema_decay={decay}")
    assert done.code == 2
    assert "trainer.ema_decay" in done.output


def test_nothing_is_at_rest_while_averages_are_exchanged(tiny, monkeypatch):
    trainer = tiny.trainer(ema_decay=0.7)
    seen = []
    exchange = WeightAverage._exchange

    def watched(self):
        seen.append((trainer.at_rest, self.apart))
        exchange(self)

    monkeypatch.setattr(WeightAverage, "_exchange", watched)
    trainer.at_rest = True
    trainer.evaluate(trainer.validation)
    assert seen == [(False, False)] * 2
    assert trainer.at_rest

    def broken(self):
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(WeightAverage, "_exchange", broken)
    with pytest.raises(Interrupted):
        trainer.evaluate(trainer.validation)
    assert not trainer.at_rest


def test_a_count_among_the_layers_state_is_not_averaged(tiny):
    trainer = tiny.trainer(ema_decay=0.7)
    count = np.array([1])
    trainer.model.arrays["0.batches"] = count
    average = WeightAverage(trainer.model, 0.7)
    count += 6
    average.follow(1)
    average.follow(2)
    assert average.arrays["0.batches"] == [7]
