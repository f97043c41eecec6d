import math
import signal
import tracemalloc

import numpy as np
import pytest

from mnist_trainer.errors import DivergedError
from mnist_trainer.kernels.subnormals import SUPPORTED, count_subnormals
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.optimizers.rmsprop import RMSprop
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.schedules import Cosine
from mnist_trainer.training.interruption import Interrupted
from mnist_trainer.training.records import Evaluation
from mnist_trainer.training.trainer import Callback


class Seen(Callback):
    """Keeps the labels of every batch, by way of the loss."""

    def __init__(self, loss):
        self.batches, self._forward = [], loss.forward
        loss.forward = self.forward

    def forward(self, predictions, targets):
        self.batches.append(targets.tolist())
        return self._forward(predictions, targets)


def test_both_modes_get_the_same_weights_and_batches_and_train_alike(tiny):
    fused, separate = (tiny.trainer(mode=mode, seed=3, dtype=np.float64) for mode in ("fused", "separate"))
    assert fused.model.parameters.values.tobytes() == separate.model.parameters.values.tobytes()
    seen = [Seen(trainer.loss) for trainer in (fused, separate)]
    fused.fit()
    separate.fit()
    assert seen[0].batches == seen[1].batches
    assert seen[0].batches[:5] != seen[0].batches[-8:-3]  # the second epoch has another order
    np.testing.assert_allclose(fused.model.parameters.values, separate.model.parameters.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["fused", "separate"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tiny, mode):
    one, two, other = (tiny.trainer(mode=mode, seed=seed, dropout=0.3) for seed in (1, 1, 2))
    for trainer in (one, two, other):
        trainer.fit()
    assert one.model.parameters.values.tobytes() == two.model.parameters.values.tobytes()
    assert one.last.validation.loss == two.last.validation.loss
    assert one.model.parameters.values.tobytes() != other.model.parameters.values.tobytes()


def test_training_learns(tiny):
    trainer = tiny.trainer(epochs=60)
    trainer.fit()
    assert trainer.last.train_accuracy == 1
    assert trainer.last.validation.accuracy == 1
    assert trainer.step == 60 * 5


def test_the_rate_is_the_schedule_s_share_of_the_learning_rate(tiny, recorder):
    heard = recorder()
    schedule = Cosine(warmup=0.2)
    trainer = tiny.trainer(schedule=schedule, learning_rate=0.3, log_every=1, callbacks=[heard])
    rates, step = [], trainer.optimizer.step
    trainer.optimizer.step = lambda w, g, rate: (rates.append(rate), step(w, g, rate))
    trainer.fit()
    assert schedule.total_steps == 10
    assert schedule.steps_per_epoch == 5
    assert rates == [0.3 * schedule.factor(step) for step in range(10)]
    assert [record.learning_rate for record in heard.told("on_record")] == rates
    assert [record.learning_rate for record in heard.told("on_epoch")] == [rates[4], rates[9]]


def test_weight_decay_spares_the_biases(tiny):
    trainer = tiny.trainer(optimizer=SGD(weight_decay=0.1))
    assert trainer.optimizer.decayed == trainer.model.parameters.decayed == 16 * 6 + 6 * 3


@pytest.mark.parametrize("clip", [1e-3, 1e6])
def test_clip_norm_bounds_the_step_but_not_what_is_recorded(tiny, recorder, clip):
    heard = recorder()
    trainer = tiny.trainer(clip_norm=clip, optimizer=SGD(momentum=0.0), log_every=1, epochs=1, callbacks=[heard])
    free = tiny.trainer(optimizer=SGD(momentum=0.0), epochs=1)
    before = trainer.model.parameters.values.copy()
    for x, labels in tiny.trainer().train:
        trainer.update(x, labels)
        free.update(x, labels)
        break
    step = np.linalg.norm(trainer.model.parameters.values - before)
    unclipped = np.linalg.norm(free.model.parameters.values - before)
    assert unclipped > 0.1 * 1e-3
    assert step == pytest.approx(min(0.1 * clip, unclipped), rel=1e-3)
    assert trainer._gradient_norm == pytest.approx(unclipped / 0.1, rel=1e-3)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_before_its_update(tiny, recorder, stub_loss, loss):
    heard = recorder()
    trainer = tiny.trainer(loss=stub_loss([0.5, 0.5, loss]), callbacks=[heard])
    with pytest.raises(DivergedError, match=rf"at step 3: the loss is {loss}: .*; the loss mode is Stub,"):
        trainer.fit()
    assert trainer.step == 2
    assert [event[0] for event in heard.events] == ["on_start", "on_update", "on_update", "on_record", "on_end"]
    (record,) = heard.told("on_record")
    assert (record.step, record.loss) == (2, 0.5)  # the curve up to the last update
    assert math.isfinite(record.gradient_norm)


def test_a_run_that_really_diverges_is_told(tiny):
    with np.errstate(all="ignore"), pytest.raises(DivergedError):
        tiny.trainer(learning_rate=1e20, epochs=5).fit()


def evaluations(*pairs):
    """Stand-ins for validation: (loss, accuracy) of each epoch in turn."""
    results = iter(Evaluation(loss, accuracy, np.zeros((3, 3), np.int64)) for loss, accuracy in pairs)
    return lambda batches: next(results)


EPOCHS = [(0.9, 0.5), (0.8, 0.7), (0.7, 0.7), (0.5, 0.6), (0.7, 0.7), (0.8, 0.7)]


def copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def assert_same_arrays(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)


@pytest.mark.parametrize(
    ("by_loss", "best"), [(False, [True, True, True, False, False, False]), (True, [True] * 4 + [False] * 2)]
)
def test_the_best_epoch_is_by_accuracy_then_loss_or_the_other_way_round(tiny, recorder, by_loss, best):
    heard = recorder()
    trainer = tiny.trainer(epochs=6, by_loss=by_loss, callbacks=[heard], before=[BatchNorm()])
    kept = []
    trainer.evaluate = evaluations(*EPOCHS)
    heard.on_epoch = lambda record: kept.append((record.best, copies(trainer.model.arrays)))
    assert_same_arrays(trainer.best_arrays, trainer.model.arrays)
    trainer.fit()
    assert [is_best for is_best, _ in kept] == best
    last_best = max(index for index, is_best in enumerate(best) if is_best)
    assert trainer.best.epoch == last_best + 1
    assert trainer.last.epoch == 6
    trainer.restore_best()
    assert_same_arrays(trainer.model.arrays, kept[last_best][1])
    assert trainer.model.arrays.keys() > trainer.model.parameters.views.keys()  # with the running statistics


@pytest.mark.parametrize(
    ("patience", "by_loss", "epochs"), [(None, False, 6), (1, False, 4), (2, False, 5), (2, True, 6)]
)
def test_patience_stops_after_so_many_epochs_without_a_better_one(tiny, patience, by_loss, epochs):
    trainer = tiny.trainer(epochs=6, patience=patience, by_loss=by_loss)
    trainer.evaluate = evaluations(*EPOCHS)
    trainer.fit()
    assert trainer.last.epoch == epochs


def test_without_validation_there_is_no_best(tiny):
    trainer = tiny.trainer(validate=False, patience=1, epochs=3)
    trainer.fit()
    assert (trainer.best, trainer.last.validation, trainer.last.epoch) == (None, None, 3)


def test_evaluation_counts_every_sample_and_learns_nothing(tiny):
    trainer = tiny.trainer(dropout=0.5)
    before = trainer.model.parameters.values.copy()
    images, labels = tiny.data(17, seed=1)
    result = trainer.evaluate(trainer.validation)
    logits = trainer.model.forward((images / 255)[:16].astype(np.float32), training=False).astype(float)
    last = trainer.model.forward((images / 255)[16:].astype(np.float32), training=False).astype(float)
    z = np.concatenate([logits, last])
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(17), labels]
    assert result.loss == pytest.approx(losses.mean(), rel=1e-5)
    assert result.accuracy == (z.argmax(axis=1) == labels).mean()
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (labels, z.argmax(axis=1)), 1)
    np.testing.assert_array_equal(result.confusion, expected)
    np.testing.assert_array_equal(trainer.model.parameters.values, before)
    assert trainer.evaluate(trainer.validation).loss == result.loss  # no dropout


@pytest.mark.parametrize("mode", ["fused", "separate"])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_fifty_updates_allocate_no_batch_and_no_layer(tiny, mode, optimizer):
    data = tiny.data(128 * 25, size=28)
    trainer = tiny.trainer(
        mode=mode, data=data, hidden=256, batch_size=128, optimizer=optimizer(), validate=False, dropout=0.2
    )
    first = iter(trainer.train)
    trainer.update(*next(first))  # the loss makes its buffers in the first update
    tracemalloc.start()
    try:
        trainer.fit()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert trainer.step == 51
    # NumPy's own buffer for a product with a mask of booleans is 32,768 bytes, the hidden layer's activations 131,072
    assert peak < 64_000


def test_a_stop_that_is_asked_for_during_the_last_validation_is_not_forgotten(tiny):
    trainer = tiny.trainer(epochs=1)
    evaluate = trainer.evaluate

    def interrupted(batches):
        trainer.interruption.requested = signal.SIGTERM
        return evaluate(batches)

    trainer.evaluate = interrupted
    with pytest.raises(Interrupted):
        trainer.fit()
    assert (trainer.step, trainer.epoch, trainer.batch, trainer.at_rest) == (5, 0, 5, True)  # it is still to be done


@pytest.mark.skipif(not SUPPORTED, reason="this system's processor computes with subnormal numbers")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "optimizer", [SGD(), RMSprop(rho=0.9), Adam(beta2=0.9)], ids=lambda optimizer: type(optimizer).__name__
)
def test_nothing_that_an_update_leaves_is_subnormal(tiny, optimizer, processes):
    images, labels = tiny.data()
    images[:, 3] = 0  # so that the weights of the last row's pixels get no gradient: their momenta decay
    trainer = tiny.trainer(data=(images, labels), optimizer=optimizer, epochs=5, processes=processes, validate=False)
    trainer.model.parameters.values *= 1e-10  # and others' gradients, and the squares of these, are small
    state = {name: array for name, array in optimizer.state().items() if array.dtype.kind == "f"}
    for array in state.values():
        array[...] = 1e-37
    decayed = 0.0
    for _ in trainer.updates():
        trainer.worker.collect()
        arrays = [*state.values(), trainer.model.parameters.gradients, trainer.model.parameters.values]
        assert sum(map(count_subnormals, arrays)) == 0
        decayed = min(np.count_nonzero(array == 0) for array in state.values())
    assert decayed >= 4 * 6  # 0.9^25 of them is subnormal


def test_nothing_is_at_rest_while_a_batch_is_drawn(tiny, monkeypatch):
    """Its augmentation is drawn then, which a checkpoint that was taken in between would draw again."""
    trainer, seen = tiny.trainer(epochs=2), []
    starting_at = trainer.train.starting_at

    def watched(batch):
        batches = starting_at(batch)
        while True:
            seen.append(trainer.at_rest)
            try:
                yield next(batches)
            except StopIteration:
                return

    monkeypatch.setattr(trainer.train, "starting_at", watched)
    trainer.fit()
    assert not any(seen)
    assert trainer.at_rest
