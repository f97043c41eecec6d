"""The gallery: each mistake shows as its docstring says, in its numbers and in training."""

import logging

import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.api import build_data, build_trainer, compose
from mnist_trainer.composition import conf_folder
from mnist_trainer.config import ClippedConfig, LossConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.tasks.train import train

CLASSES = 10
GALLERY = sorted(path.stem for path in (conf_folder() / "loss" / "mistakes").glob("*.yaml"))


def gradient(name, logits, labels):
    """The loss, and dL/dz through all the mode's nodes."""
    kinds = {"fused": SoftmaxCrossEntropyConfig(name, 0.0), "clipped": ClippedConfig(name, 1e-7)}
    mode = LossMode(kinds.get(name, LossConfig(name)), CLASSES, len(logits), np.float64)
    loss = mode.forward(logits, labels)
    return loss, mode.backward().copy()


def draw(n, spread=1.0):
    rng = np.random.default_rng(n)
    return spread * rng.standard_normal((n, CLASSES)), rng.integers(0, CLASSES, n)


def gap(size, n=4):
    """Rows whose true class lies so far under the largest one."""
    logits, labels = np.zeros((n, CLASSES)), np.zeros(n, int)
    logits[:, 1] = size
    return logits, labels


def test_the_gallery_is_what_is_declared_inexact_and_nothing_else():
    assert set(GALLERY) == {name for name, cls in registry.losses.items() if not cls.exact}


@pytest.mark.parametrize("name", [name for name in GALLERY if name != "double_softmax"])
def test_the_loss_itself_is_right_at_ordinary_logits(name):
    z, labels = draw(7)
    mode = LossMode(ClippedConfig(name, 1e-7) if name == "clipped" else LossConfig(name), CLASSES, 7, np.float64)
    assert mode.forward(z, labels) == pytest.approx(gradient("fused", z, labels)[0], rel=1e-13)


def test_posted_question_runs_for_one_image_as_the_posted_answer_and_for_as_many_as_classes_and_else_says_why():
    z, labels = draw(1)
    np.testing.assert_array_equal(gradient("posted_question", z, labels)[1], gradient("posted_answer", z, labels)[1])
    z, labels = draw(CLASSES)
    assert gradient("posted_question", z, labels)[1].shape == (CLASSES, CLASSES)
    with pytest.raises(MistakeError, match="can't run on 7 images"):
        gradient("posted_question", *draw(7))


def test_posted_answer_has_rows_that_do_not_sum_to_0_right_signs_and_vanishes_as_p_saturates():
    z, labels = draw(7)
    _, wrong = gradient("posted_answer", z, labels)
    _, right = gradient("fused", z, labels)
    assert np.abs(wrong.sum(axis=1)).max() > 0.01
    np.testing.assert_array_equal(np.sign(wrong), np.sign(right))
    assert np.linalg.norm(gradient("posted_answer", *gap(30))[1]) < 1e-10
    assert np.linalg.norm(gradient("fused", *gap(30))[1]) > 0.5


def test_diagonal_is_right_at_the_true_class_and_0_at_every_other_one():
    z, labels = draw(7)
    wrong, right = gradient("diagonal", z, labels)[1], gradient("fused", z, labels)[1]
    true = np.eye(CLASSES, dtype=bool)[labels]
    np.testing.assert_allclose(wrong[true], right[true], rtol=1e-12)
    assert not wrong[~true].any()


def test_double_jacobian_is_too_small_and_vanishes_but_its_rows_sum_to_0():
    z, labels = draw(7)
    wrong, right = gradient("double_jacobian", z, labels)[1], gradient("fused", z, labels)[1]
    assert (np.linalg.norm(wrong, axis=1) < np.linalg.norm(right, axis=1)).all()
    assert np.linalg.norm(gradient("double_jacobian", *gap(30))[1]) < 1e-10
    np.testing.assert_allclose(wrong.sum(axis=1), 0, atol=1e-15)


def test_double_softmax_never_gets_under_log_of_1_plus_9_over_e():
    least = np.log(1 + (CLASSES - 1) / np.e)
    assert least == pytest.approx(1.4612, abs=1e-4)
    z, labels = gap(-40)
    assert gradient("fused", z, labels)[0] < 1e-15 + np.log(CLASSES)
    perfect = 100 * np.eye(CLASSES)
    assert gradient("double_softmax", perfect, np.arange(CLASSES))[0] == pytest.approx(least)
    assert gradient("double_softmax", *draw(50, spread=10))[0] > least


@pytest.mark.parametrize("n", [1, 7, 32])
def test_sum_for_mean_is_n_times_too_large(n):
    z, labels = draw(n)
    np.testing.assert_allclose(
        gradient("sum_for_mean", z, labels)[1], n * gradient("fused", z, labels)[1], rtol=1e-12, atol=1e-16
    )


def test_clipped_is_capped_and_teaches_nothing_where_it_is_most_wrong():
    loss, wrong = gradient("clipped", *gap(20))
    assert loss == pytest.approx(-np.log(1e-7)) == pytest.approx(16.118, abs=1e-3)
    assert not wrong.any()
    np.testing.assert_allclose(gradient("clipped", *gap(5))[1], gradient("fused", *gap(5))[1], rtol=1e-9)


TRAINING = ("data=digits", "tracking=off", "model.hidden=[32]", "epochs=4", "batch_size=50", "trainer.progress=false")


@pytest.fixture(scope="module")
def digits():
    return build_data(compose(TRAINING).data)


@pytest.fixture
def trained(digits):
    """Train on digits; return the test's evaluation and the trainer."""

    def run(*overrides):
        trainer, test = build_trainer(compose([*TRAINING, *overrides]), digits)
        trainer.fit()
        return trainer.evaluate(test), trainer

    return run


@pytest.mark.long
@pytest.mark.parametrize("loss", ["posted_answer", "double_jacobian", "clipped"])
def test_some_mistakes_train_all_the_same_and_so_go_unnoticed(trained, loss):
    assert trained(f"loss=mistakes/{loss}")[0].accuracy > 0.9


@pytest.mark.long
def test_double_softmax_trains_slowly_to_a_loss_that_cannot_get_small(trained):
    wrong, right = trained("loss=mistakes/double_softmax")[0], trained("loss=fused")[0]
    assert wrong.loss > 1.46 > right.loss
    assert wrong.accuracy < right.accuracy


def test_diagonal_learns_less(trained):
    assert trained("loss=mistakes/diagonal")[0].accuracy < 0.5


def test_sum_for_mean_is_the_right_loss_at_n_times_the_learning_rate(trained):
    common = ("dtype=float64", "optimizer.weight_decay=0")
    _, wrong = trained("loss=mistakes/sum_for_mean", "optimizer.lr=0.001", *common)
    _, right = trained("loss=fused", "optimizer.lr=0.05", *common)
    np.testing.assert_allclose(wrong.model.parameters.values, right.model.parameters.values, rtol=1e-6, atol=1e-9)


def test_posted_question_fails_with_the_reason_and_exit_code_1(command):
    done = command(*TRAINING, "loss=mistakes/posted_question")
    assert done.code == 1
    assert "can't run on 50 images" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("loss", ["mistakes/posted_answer", "mistakes/clipped", "fused"])
def test_training_with_a_mistake_warns_and_tags_the_run_as_inexact(tmp_path, caplog, events_of, monkeypatch, loss):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    with caplog.at_level(logging.WARNING, "mnist_trainer"):
        train(compose([*TRAINING, "epochs=1", "model.hidden=[4]", f"loss={loss}"]), tmp_path / "run")
    wrong = loss.startswith("mistakes/")
    (tags,) = events_of(tmp_path / "run", "tags")
    assert tags["tags"]["loss.exact"] == ("false" if wrong else "true")
    warnings = [record.message for record in caplog.records if "wrong on purpose" in record.message]
    assert len(warnings) == wrong
