"""What the settings of a run do: validation, patience, the best parameters, and data of one's own."""

import json

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import IdxConfig, ScheduleConfig
from mnist_trainer.data import loading as datasets
from mnist_trainer.errors import DataError


def constant(configured, **values):
    return configured(schedule=ScheduleConfig("constant"), **values)


@pytest.fixture
def idx_files(tmp_path):
    """Write four IDX files of images with one bright stripe, whose place is the class."""

    def write(shape, classes):
        rng = np.random.default_rng(0)
        for part, count in (("train", 120), ("test", 30)):
            labels = (np.arange(count) % classes).astype(np.uint8)
            images = rng.integers(0, 40, (count, *shape), dtype=np.uint8)
            for image, label in zip(images, labels, strict=True):
                image[:, label] = 255
            for name, array in ((f"{part}_images", images), (f"{part}_labels", labels)):
                head = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
                (tmp_path / name).write_bytes(head + array.tobytes())
        return {
            "root": str(tmp_path),
            **{f"{p}_{w}": f"{p}_{w}" for p in ("train", "test") for w in ("images", "labels")},
        }

    return write


@pytest.mark.parametrize(("shape", "classes"), [((6, 9), 3), ((9, 6), 5), ((5, 7, 3), 7), ((28, 28), 26)])
def test_images_of_any_size_with_any_number_of_classes_are_learned(
    run, configured, idx_files, events_of, shape, classes
):
    files = idx_files(shape, classes)
    data = IdxConfig(name="stripes", test_size=None, test_seed=0, validation_size=None, standardize=True, **files)
    result, folder = run(configured(data=data, epochs=30, batch_size=16, model__hidden=[64]))
    assert (result.data, result.test_accuracy) == ("stripes", 1.0)
    dataset = events_of(folder, "dataset")[-1]
    assert dataset["context"] == "testing"
    assert dataset["profile"] == {"num_rows": 30, "classes": classes}
    (features,) = json.loads(dataset["schema"]["mlflow_tensorspec"]["features"])
    assert features["tensor-spec"] == {"dtype": "uint8", "shape": [-1, *(*shape, 1)[:3]]}
    assert events_of(folder, "start")[0]["experiment"] == "stripes"
    assert events_of(folder, "confusion")[0]["class_names"] == [str(label) for label in range(classes)]


def test_the_idx_choice_takes_four_files_on_the_command_line(command, idx_files):
    files = idx_files((6, 9), 3)
    arguments = [f"data.{key}={value}" for key, value in files.items()]
    done = command("data=idx", "data.name=mine", *arguments, "tracking=off", "model.hidden=[4]", "epochs=1")
    assert done.code == 0
    assert json.loads((done.run / "outcome.json").read_text())["data"] == "mine"
    assert "6x9 pixels, 3 classes" in done.output


def test_without_validation_samples_a_run_trains_on_all_and_tells_no_validation(run, configured, events_of):
    result, folder = run(configured(data__validation_size=0))
    names = {name for event in events_of(folder, "metrics") for name in event["metrics"]}
    assert not [name for name in names if name.startswith("validation/")]
    assert (result.validation_loss, result.validation_accuracy) == (None, None)
    assert result.updates == 2 * 12  # 1,437 images
    assert (folder / "last.npz").exists()
    assert not (folder / "best.npz").exists()


@pytest.mark.parametrize("setting", ["patience=1", "restore_best=true"])
def test_what_judges_by_validation_asks_for_a_validation_set(command, setting):
    done = command("data=digits", "tracking=off", "epochs=1", "data.validation_size=0", f"trainer.{setting}")
    assert done.code == 2
    assert f"trainer.{setting.partition('=')[0]}" in done.output
    assert "data.validation_size" in done.output
    assert done.folders == []


@pytest.mark.parametrize("restore_best", [True, False])
def test_the_test_is_of_the_best_parameters_or_the_last_as_chosen(
    run, configured, metrics_of, parameters_of, restore_best
):
    config = constant(
        configured, epochs=6, optimizer__lr=0.3, trainer__clip_norm=None, trainer__restore_best=restore_best
    )
    result, folder = run(config)
    accuracies = [value for _, value in metrics_of(folder, "validation/accuracy")]
    assert accuracies[-1] < max(accuracies)  # else the two were the same
    trainer, test = build_trainer(config, build_data(config.data))
    for name, array in parameters_of(folder / ("best.npz" if restore_best else "last.npz")).items():
        trainer.model.arrays[name][...] = array
    with threadpool_limits(1, "blas"):  # other threads, other last bits
        evaluation = trainer.evaluate(test)
    assert (evaluation.loss, evaluation.accuracy) == (result.test_loss, result.test_accuracy)
    assert result.validation_accuracy == (max(accuracies) if restore_best else accuracies[-1])
    assert result.epochs == 6


def test_patience_ends_a_run_that_many_epochs_after_its_best(run, configured, metrics_of):
    result, folder = run(constant(configured, epochs=40, optimizer__lr=0.3, trainer__patience=2))
    accuracies, losses = (
        [value for _, value in metrics_of(folder, f"validation/{what}")] for what in ("accuracy", "loss")
    )
    merits = [(accuracy, -loss) for accuracy, loss in zip(accuracies, losses, strict=True)]
    assert result.epochs == len(merits) < 40
    assert merits.index(max(merits)) == len(merits) - 1 - 2


def test_label_smoothing_raises_the_training_loss_the_same_in_both_modes(run, configured, metrics_of):
    losses = {}
    for mode in ("fused", "separate"):
        for smoothing in (0.0, 0.2):
            config = configured(f"loss={mode}", loss__label_smoothing=smoothing, epochs=1)
            _, folder = run(config, f"{mode}-{smoothing}")
            losses[mode, smoothing] = metrics_of(folder, "train/loss")[-1][1]
    assert losses["fused", 0.2] == pytest.approx(losses["separate", 0.2], rel=1e-4)
    assert losses["fused", 0.2] != pytest.approx(losses["fused", 0.0], rel=1e-2)


def test_double_precision_is_kept_throughout(run, configured, parameters_of):
    _, folder = run(configured(dtype="float64", epochs=1))
    assert {array.dtype for array in parameters_of(folder / "last.npz").values()} == {np.dtype(np.float64)}


def test_digits_that_stand_in_for_mnist_are_called_digits_everywhere(command, monkeypatch, events_of):
    def fail(*args, **kwargs):
        raise DataError("no net here")

    monkeypatch.setattr(datasets, "from_cache", fail)
    done = command("data=auto", "tracking=off", "model.hidden=[4]", "epochs=1")
    assert done.code == 0
    assert "NOT MNIST" in done.output
    assert "no net here" in done.output
    assert events_of(done.run, "start")[0]["experiment"] == "digits"
    assert events_of(done.run, "params")[0]["params"]["data.name"] == "digits"
    tags = events_of(done.run, "tags")[0]["tags"]
    assert (tags["data.name"], tags["data.fallback"]) == ("digits", "true")
    assert json.loads((done.run / "outcome.json").read_text())["data"] == "digits"


DIVERGING = (
    "data=digits",
    "tracking=off",
    "model.hidden=[8]",
    "epochs=2",
    "optimizer.lr=1e6",
    "schedule=constant",
    "trainer.clip_norm=null",
)


@pytest.mark.parametrize(
    ("loss", "name"), [("fused", "fused"), ("separate", "separate"), ("mistakes/sum_for_mean", "sum_for_mean")]
)
def test_a_diverging_run_fails_saying_when_and_at_what_rate(command, events_of, loss, name):
    done = command(*DIVERGING, f"loss={loss}")
    assert done.code == 1
    assert "Traceback" not in done.output
    outcome = json.loads((done.run / "outcome.json").read_text())
    (end,) = events_of(done.run, "end")
    assert outcome["status"] == end["status"] == "FAILED"
    for text in (done.output, end["reason"], outcome["reason"]):
        assert "diverged at step " in text
        assert "is not finite; " in text
        assert f"the loss mode is {name}" in text
        assert "1e+06" in text
        assert "smaller optimizer.lr" in text
    facts = outcome["diverged"]
    assert f"diverged at step {facts['step']}: " in done.output
    assert (facts["loss"], facts["learning_rate"]) == (name, 1e6)
    assert f" {facts['layer']} " in done.output
    for kind in ("params", "tags"):
        written = {key: value for event in events_of(done.run, kind) for key, value in event[kind].items()}
        for key, value in facts.items():
            assert written[f"diverged.{key}"] == (str(value) if kind == "tags" else value)


def test_a_diverging_run_prints_no_warnings_of_numpys(command):
    done = command(*DIVERGING)
    assert done.code == 1
    assert "RuntimeWarning" not in done.output


@pytest.mark.parametrize("mode", ["fused", "separate"])
def test_a_run_that_blows_up_in_its_last_update_has_not_finished(command, events_of, mode):
    settings = ["optimizer=sgd", "optimizer.lr=1e30", "schedule=constant", "batch_size=1300", "epochs=1"]
    done = command("data=digits", "tracking=off", "model.hidden=[8]", *settings, f"loss={mode}")
    assert done.code == 1
    assert "diverged at step 1: the validation loss is nan: the output of layers." in done.output
    assert not (done.run / "best.npz").exists()
    (end,) = events_of(done.run, "end")
    assert end["status"] == "FAILED"


def test_a_run_that_learned_nothing_says_so_after_its_result_and_blames_a_loss_that_is_not_exact(command):
    arguments = ("data=digits", "loss=mistakes/sum_for_mean", "epochs=4", "tracking=off", "trainer.threads=1")
    done = command(*arguments)
    assert done.code == 0
    _, after = done.output.split(" s of training\n")
    assert after.startswith("This run ended near chance: ")
    assert "The likely reason is the loss: sum_for_mean is not exact" in after
    assert "accuracy" not in after


def test_a_run_that_learned_says_no_more_than_its_result(command):
    done = command("data=digits", "epochs=4", "tracking=off")
    assert "near chance" not in done.output
    assert "never better" not in done.output


@pytest.mark.parametrize("value", ["true", "[1]", "soft", "0", "-1", "nan"])
def test_clip_norm_is_auto_a_number_or_null(command, value):
    done = command("data=digits", f"trainer.clip_norm={value}")
    assert done.code == 2
    assert "trainer.clip_norm" in done.output
    assert "auto" in done.output or "above 0" in done.output
