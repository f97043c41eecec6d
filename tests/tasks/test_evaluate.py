"""task=evaluate: a model's figures on its own test set or another's, on the terminal, in files and in MLflow."""

import csv
import gzip
import json

import numpy as np
import pytest

from mnist_trainer.api import compose
from mnist_trainer.build import build_data
from mnist_trainer.inference import load
from mnist_trainer.inference.views import Views


def newest(done):
    return max(done.folders, key=lambda path: path.stat().st_mtime)


def test_on_its_own_set_the_figures_are_the_run_s(trained, command, events_of):
    done = command("task=evaluate", f"checkpoint={trained}", "tracking=off")
    assert done.code == 0, done.output
    ran = json.loads((trained / "outcome.json").read_text())
    folder = newest(done)
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome["test/accuracy"] == ran["test_accuracy"]
    assert f"accuracy {ran['test_accuracy']:.2%} (360 images)" in done.output
    data = build_data(compose(["data=digits"]).data)
    rows = list(csv.DictReader((folder / "evaluation.csv").read_text().splitlines()))
    assert [int(row["target"]) for row in rows] == data.test_labels.tolist()
    assert [int(row["prediction"]) for row in rows] == load(trained).predict(data.test_images).tolist()
    for name in ("worst_mistakes.png", "confusion_matrix.png", "calibration.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert events_of(folder, "evaluated")[0]["run"] == ran["run"]
    assert events_of(folder, "end")[0]["status"] == "FINISHED"
    assert "model.npz" not in {path.name for path in folder.iterdir()}


def idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def own_set(folder, shape=(28, 28), classes=10, count=30):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    labels = (np.arange(count) % classes).astype(np.uint8)
    for part in ("train", "test"):
        idx(folder / f"{part}_images.gz", images)
        idx(folder / f"{part}_labels.gz", labels)
    keys = [f"data.{part}_{what}={part}_{what}.gz" for part in ("train", "test") for what in ("images", "labels")]
    return ["data=idx", f"data.root={folder}", *keys]


@pytest.mark.long
def test_on_other_data_it_is_told_whose_and_other_classes_or_shapes_are_refused(trained, command, tmp_path):
    done = command("task=evaluate", f"checkpoint={trained}", *own_set(tmp_path), "tracking=off")
    assert done.code == 0, done.output
    assert "on idx: loss" in done.output
    for shape, classes, said in (
        ((28, 28), 4, "data=idx: 4 classes, but the model tells 10 apart"),
        ((14, 28), 10, "data=idx: images of 14x28x1, but the model sees 28x28x1"),
    ):
        refused = command("task=evaluate", f"checkpoint={trained}", *own_set(tmp_path, shape, classes))
        assert refused.code == 2
        assert said in refused.output
        assert len(refused.folders) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "checkpoint is missing: task=evaluate checkpoint=RUN"),
        (["checkpoint=nowhere"], "nowhere: no such file or folder"),
        (["checkpoint=RUN", "data=digits", "data.root=nowhere"], "nowhere"),
        (["checkpoint=RUN", "task.which=worst"], "which='worst' is unknown"),
        (["checkpoint=RUN", "format=csv"], "format=csv: task=evaluate takes none"),
    ],
)
def test_what_can_t_be_evaluated_is_told(trained, command, arguments, said):
    done = command("task=evaluate", *(each.replace("RUN", str(trained)) for each in arguments))
    assert done.code == 2
    assert said in done.output
    assert len(done.folders) == 1


@pytest.mark.long
def test_test_time_augmentation_is_told_apart_and_changes_nothing_else(trained, command, events_of):
    folders = []
    for more in ([], ["task.tta=true", "task.tta_rotation=3"]):
        done = command("task=evaluate", f"checkpoint={trained}", "tracking=off", *more)
        assert done.code == 0, done.output
        folders.append(newest(done))
    plain, both = (json.loads((folder / "outcome.json").read_text()) for folder in folders)
    own = {"tta/loss", "tta/accuracy"}
    assert both.keys() - plain.keys() == own
    assert {key: both[key] for key in plain if "/" in key} == {key: plain[key] for key in plain if "/" in key}
    assert (folders[0] / "evaluation.csv").read_bytes() == (folders[1] / "evaluation.csv").read_bytes()
    (metrics,) = events_of(folders[1], "metrics")
    data = build_data(compose(["data=digits"]).data)
    scores = Views(0.04, 3.0).scores(load(trained), data.test_images, data.test_labels)
    assert {key: metrics["metrics"][key] for key in own} == {"tta/loss": scores.loss, "tta/accuracy": scores.accuracy}
    said = " ".join(done.output.split())
    assert f"the mean of 15 views of each image: loss {scores.loss:.4f}, {scores.accuracy:.2%} right" in said
    assert said.count("accuracy ") == 1
    assert {"tta_shift": 0.04, "tta_rotation": 3.0}.items() <= {
        key: value for event in events_of(folders[1], "params") for key, value in event["params"].items()
    }.items()


@pytest.mark.long
def test_a_picture_that_can_not_be_drawn_is_told_and_no_failure(trained, command, events_of, monkeypatch):
    def no_memory(*args):
        raise MemoryError("no memory left")

    monkeypatch.setattr("mnist_trainer.tasks.evaluate.reliability", no_memory)
    done = command("task=evaluate", f"checkpoint={trained}", "tracking=off")
    assert (done.code, "calibration.png can't be drawn: no memory left" in done.output) == (0, True)
    assert "evaluation.csv, confusion_matrix.png, worst_mistakes.png" in done.output
    assert events_of(newest(done), "end")[0]["status"] == "FINISHED"
