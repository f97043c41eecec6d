"""task=predict: from a user's pictures to classes, on the terminal, in files, and as CSV or JSON."""

import csv
import errno
import io
import json
import os
import sys

import numpy as np
import pytest

from mnist_trainer.api import compose
from mnist_trainer.build import build_data
from mnist_trainer.inference import load
from tests.inference.drawing import drawn


def newest(done):
    return max(done.folders, key=lambda path: path.stat().st_mtime)


def test_a_picture_is_told_with_its_probability_and_what_the_network_saw(trained, command, tmp_path):
    drawn().save(tmp_path / "seven.png")
    done = command("task=predict", f"checkpoint={trained}", "images=[seven.png]", "tracking=off")
    assert done.code == 0, done.output
    assert "seven.png" in done.output
    assert "inverted: its background is light" in done.output
    folder = newest(done)
    (row,) = csv.DictReader((folder / "predictions.csv").read_text().splitlines())
    shares = [float(row[f"p({digit})"]) for digit in range(10)]
    assert int(row["predicted"]) == np.argmax(shares)
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert float(row["probability"]) == max(shares)
    assert (folder / "predictions.png").stat().st_size > 5_000
    assert json.loads((folder / "outcome.json").read_text())["predicted"] == {"seven.png": row["predicted"]}


def test_numbers_mean_the_test_set_s_images_of_the_run_s_own_data(trained, command):
    data, classifier = build_data(compose(["data=digits"]).data), load(trained)
    done = command("task=predict", "checkpoint=latest", "images=[3,359]", "format=json")
    rows = json.loads(done.output[done.output.index("[") :])
    for row, index in zip(rows, (3, 359), strict=True):
        assert row["picture"] == f"digits {index}"
        expected = classifier.probabilities(data.test_images[index])[0]
        assert list(row["probabilities"].values()) == pytest.approx(expected.tolist(), rel=1e-4)
        right = str(data.test_labels[index])
        assert (f"wrong: it is {right}" in row["told"]) == (row["predicted"] != right)


def test_the_standard_input_is_a_picture(trained, command, monkeypatch):
    file = io.BytesIO()
    drawn().save(file, "PNG")
    file.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
    done = command("task=predict", f"checkpoint={trained}/model.npz", "images=-", "format=csv")
    lines = done.output.splitlines()
    assert lines[0].startswith("picture,predicted,probability,p(0),")
    assert lines[1].startswith("standard input,")


def test_unsure_predictions_and_pictures_without_a_digit_are_told(trained, command, tmp_path):
    drawn(ink=255).save(tmp_path / "blank.png")
    rng = np.random.default_rng(0)
    from PIL import Image

    (tmp_path / "folder").mkdir()
    for index in range(12):
        noise = np.kron(rng.integers(0, 2, (7, 7)) * 255, np.ones((9, 9)))
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "folder" / f"{index}.png")
    done = command("task=predict", f"checkpoint={trained}", "images=[blank.png,folder]", "format=json")
    rows = json.loads(done.output[done.output.index("[") :])
    assert "no digit in it: nothing stands out from the background" in rows[0]["told"]
    assert len(rows) == 13
    for row in rows:
        unsure = any(each.startswith("unsure: or ") for each in row["told"])
        assert unsure == (row["probability"] < 0.6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["images=[a.png]"], "checkpoint is missing: task=predict checkpoint=RUN"),
        (["checkpoint=nowhere", "images=[a.png]"], "nowhere: no such file or folder; name a run's folder"),
        (["checkpoint=RUN"], "images is empty: name pictures"),
        (["checkpoint=RUN", "images=null"], "images is empty"),
        (["checkpoint=RUN", "images=[a.png]"], "a.png: No such file or directory: no picture can be read"),
        (["checkpoint=RUN", "images=[360]"], "the test set of digits has the images 0 to 359"),
        (["checkpoint=RUN", "images=[-1]"], "images=-1: the test set of digits"),
        (["checkpoint=RUN", "images=[1.5]"], "images=1.5: must be names of pictures, or whole numbers"),
        (["checkpoint=RUN", "images=[true]"], "images=True: must be names"),
        (["checkpoint=RUN", "images={a: 1}"], "images: has the wrong type: must be a list, as in images=[...]"),
        (["checkpoint=RUN", "images=[[1]]"], "images=[1]: must be names"),
        (["checkpoint=RUN", "images=[0]", "format=xml"], "format='xml' is unknown"),
        (["checkpoint=RUN", "images=[0]", "task.which=first"], "which='first' is unknown"),
        (["checkpoint=RUN/config.yaml", "images=[0]"], "not a readable model file"),
        (["checkpoint=RUN/checkpoint.npz", "images=[0]"], "a checkpoint, for resume=...; model.npz beside it"),
        (["checkpoint=RUN", "images=[0]", "data=digits", "data.root=nowhere"], "nowhere"),
    ],
)
def test_what_can_t_be_predicted_is_told_and_leaves_no_folder(trained, command, arguments, said):
    before = len(list(trained.parent.iterdir()))
    done = command("task=predict", *(each.replace("RUN", str(trained)) for each in arguments))
    assert done.code == 2
    assert said in done.output
    assert "Traceback" not in done.output
    assert len(list(trained.parent.iterdir())) == before


@pytest.mark.parametrize("override", ["checkpoint=x", "images=[x]", "format=csv"])
def test_words_of_predict_mean_nothing_to_training(command, override):
    done = command("data=digits", override)
    assert done.code == 2
    assert "task=train takes none" in done.output


def test_predictions_are_told_where_no_picture_of_them_can_be_drawn(command, trained, monkeypatch):
    def no_space(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("mnist_trainer.tasks.predict.draw_seen_pictures", no_space)
    done = command("task=predict", f"checkpoint={trained}", "images=[0]")
    assert (done.code, "predictions.png can't be drawn: No space left on device" in done.output) == (0, True)
    assert "digits 0" in done.output
    assert "what the network saw" not in done.output
