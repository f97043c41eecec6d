"""Training update by update: what several trainers that take turns rely on."""

import time

import numpy as np
import pytest

from mnist_trainer.errors import DivergedError


def test_pauses_change_no_bit(tiny):
    paused, straight = (tiny.trainer(dropout=0.3, epochs=2) for _ in range(2))
    updates = [(update.labels.tolist(), update.loss, update.correct) for update in paused.updates()]
    straight.fit()
    assert len(updates) == straight.step == 10
    assert paused.model.parameters.values.tobytes() == straight.model.parameters.values.tobytes()
    assert paused.last.validation.loss == straight.last.validation.loss
    assert paused.last.train_loss == pytest.approx(sum(len(labels) * loss for labels, loss, _ in updates[5:]) / 40)


def test_a_pause_comes_right_after_its_update(tiny):
    trainer = tiny.trainer(epochs=1)
    for count, update in enumerate(trainer.updates(), start=1):
        assert trainer.step == count
        x = update.x.copy()
        trainer.model.forward(update.x, training=True)  # others may read the batch in the pause
        np.testing.assert_array_equal(update.x, x)


def test_the_time_of_the_pauses_does_not_count(tiny):
    trainer = tiny.trainer(epochs=1)
    started = time.perf_counter()
    for _ in trainer.updates():
        time.sleep(0.02)
    assert trainer.seconds < time.perf_counter() - started - 5 * 0.02 + 1e-3


def test_breaking_off_ends_the_callbacks(tiny, recorder):
    heard = recorder()
    updates = tiny.trainer(callbacks=[heard]).updates()
    next(updates)
    with pytest.raises(DivergedError, match="another one's"):
        updates.throw(DivergedError("another one's"))
    assert [event[0] for event in heard.events] == ["on_start", "on_update", "on_record", "on_end"]
