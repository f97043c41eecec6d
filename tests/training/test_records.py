import math

import numpy as np
import pytest

from mnist_trainer.training.records import Evaluation, RunningMeans


def test_a_record_holds_the_means_over_the_samples_since_the_last_one(tiny, recorder, stub_loss):
    heard = recorder()
    losses = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]  # three batches an epoch, of 16, 16 and 8 samples
    trainer = tiny.trainer(
        loss=stub_loss(losses, clamped=[1, 2, 0, 4, 0, 0]),
        batch_size=16,
        log_every=2,
        validate=False,
        callbacks=[heard],
    )
    trainer.fit()
    records = heard.told("on_record")
    assert [record.step for record in records] == [2, 3, 4, 6]  # every second, and at an epoch's end
    assert [record.clamped_rows for record in records] == [3, 0, 4, 0]
    expected = [1.5, 3.0, 4.0, (5 * 16 + 6 * 8) / 24]
    assert [record.loss for record in records] == pytest.approx(expected)
    epochs = heard.told("on_epoch")
    assert [epoch.train_loss for epoch in epochs] == pytest.approx([(16 + 32 + 24) / 40, (64 + 80 + 48) / 40])
    assert [(epoch.epoch, epoch.epochs, epoch.step) for epoch in epochs] == [(1, 2, 3), (2, 2, 6)]


def test_accuracies_are_shares_of_the_samples(tiny, recorder):
    heard = recorder()
    trainer = tiny.trainer(batch_size=16, log_every=2, callbacks=[heard])
    right, update = [], trainer.update
    trainer.update = lambda x, labels: right.append((update(x, labels), len(labels))) or right[-1][0]
    trainer.fit()
    correct = [count for (_, count), _ in right]
    assert [record.accuracy for record in heard.told("on_record")] == [
        sum(correct[:2]) / 32,
        correct[2] / 8,
        correct[3] / 16,
        sum(correct[4:]) / 24,
    ]
    assert [epoch.train_accuracy for epoch in heard.told("on_epoch")] == [sum(correct[:3]) / 40, sum(correct[3:]) / 40]


def test_the_gradient_norm_is_that_of_the_record_s_last_update(tiny, recorder):
    heard = recorder()
    trainer = tiny.trainer(log_every=2, callbacks=[heard])
    norms, step = [], trainer.optimizer.step

    def spy(w, g, rate):
        norms.append(math.sqrt(float((g.astype(float) ** 2).sum())))
        step(w, g, rate)

    trainer.optimizer.step = spy
    trainer.fit()
    for record in heard.told("on_record"):
        assert record.gradient_norm == pytest.approx(norms[record.step - 1], rel=1e-5)


def test_an_epoch_s_speed_is_of_the_training_alone(tiny, recorder):
    heard = recorder()
    trainer = tiny.trainer(callbacks=[heard])
    trainer.fit()
    epochs = heard.told("on_epoch")
    assert [epoch.samples_per_second * epoch.seconds for epoch in epochs] == pytest.approx([40, 40])
    assert trainer.seconds == pytest.approx(sum(epoch.seconds for epoch in epochs))


def test_the_mean_of_no_samples_is_not_a_number():
    mean = RunningMeans()
    assert math.isnan(mean.loss)
    assert math.isnan(mean.accuracy)
    mean.add(2.0, 1, 4)
    mean.add(8.0, 2, 2, clamped_rows=3)
    assert (mean.loss, mean.accuracy, mean.samples, mean.clamped_rows) == (4.0, 0.5, 6, 3)


def test_precision_and_recall_are_means_over_the_classes_that_have_images():
    confusion = np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0]])  # nobody wrote a 2, two were taken for one
    evaluation = Evaluation(0.5, 0.625, confusion)
    assert evaluation.recall == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert evaluation.precision == pytest.approx((3 / 3 + 2 / 3) / 2)
