"""task=explain by the command, on digits."""

import json
import re

import pytest

from mnist_trainer.tasks import explain

TINY = ("task=explain", "data=digits", "model.hidden=[8]", "tracking=off")


def test_it_explains_one_image_and_leaves_a_hand_out(command):
    done = command(*TINY, "task.updates=20")
    assert done.code == 0
    assert "The question, point by point" in done.output
    text = (done.run / "explanation.md").read_text()
    assert (done.run / "explanation.png").read_bytes().startswith(b"\x89PNG")
    assert "explanation.png" in text
    for name in ("explanation.md", "explanation.html", "explanation.png"):
        assert name in done.output
    page = (done.run / "explanation.html").read_text()
    assert "<h1>Where is the derivative of softmax? Every number, on one image</h1>" in page
    assert "This page carries the network's 6,370 parameters and 160 of the 360 test images." in page
    kept = [json.loads(line) for line in (done.run / "journal.jsonl").read_text().splitlines()]
    names = [event["name"] for event in kept if event["event"] == "artifact"]
    assert names == ["explanation.md", "explanation.html", "explanation.png"]
    assert not (done.run / "explanation.svg").exists()
    outcome = json.loads((done.run / "outcome.json").read_text())
    assert outcome["status"] == "FINISHED"
    differences = outcome["largest_differences_to_p_minus_t"]
    for exact in ("jacobian_product", "separate", "fused"):
        assert differences[exact] < 1e-14
    assert differences["finite_differences"] < 1e-8
    assert differences["posted_answer"] > 0.1
    assert differences["diagonal"] > 0.1
    assert f"Image {outcome['image']} of the test set of digits. Its label is {outcome['label']};" in text
    assert "with batches of up to 128; it gets" in text  # of 1,300 images, the last one is smaller
    assert "The image was chosen among the 360 test images because its true class has p = 0." in text


def test_a_picture_that_can_not_be_drawn_takes_nothing_else_with_it(command, monkeypatch):
    def fail(*args):
        raise ModuleNotFoundError("No module named 'matplotlib'")

    monkeypatch.setattr(explain, "draw_explanation", fail)
    done = command(*TINY, "task.updates=0")
    assert done.code == 0
    assert "explanation.png can't be drawn: No module named 'matplotlib'" in done.output
    assert "explanation.png" not in (done.run / "explanation.md").read_text()
    assert "explanation.png" not in done.output.partition("to hand out")[2]


@pytest.mark.long
def test_the_image_that_was_asked_for(command):
    done = command(*TINY, "task.updates=0", "task.image=359", "batch_size=4")
    assert done.code == 0
    assert "Image 359 of the test set" in done.output
    assert "before any training" in done.output
    assert "(4, 10, 4, 10)" in done.output  # the batch goes on at the first image


@pytest.mark.long
def test_figures_of_other_kinds_on_request(command):
    done = command(*TINY, "task.updates=1", "task.figures=[svg,pdf]")
    assert b"<svg" in (done.run / "explanation.svg").read_bytes()[:2000]
    assert (done.run / "explanation.pdf").read_bytes().startswith(b"%PDF")
    assert (done.run / "explanation.png").exists()  # which the handout shows


@pytest.mark.long
def test_a_network_that_shows_nothing_is_trained_on_or_the_task_says_why_not(command):
    trained_on = command(*TINY, "optimizer=sgd", "optimizer.lr=0.003", "optimizer.momentum=0")
    assert trained_on.code == 0
    assert re.search(r"after (240|960|3,840) updates", trained_on.output)
    flat = command(*TINY, "optimizer=sgd", "optimizer.lr=1e-12", "optimizer.momentum=0", "batch_size=8")
    assert flat.code == 2
    assert re.search(r"after 3,840 updates the network gets \d+\.\d% of the test images right; always", flat.output)
    assert "task.updates=60" in flat.output


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task.figures=[gif]", "task.figures='gif' is unknown"),
        ("task.image=360", "task.image=360: digits has 360 test images, counted from 0; at most 359 fits"),
        ("task.image=-1", "task.image=-1 is out of range"),
        ("task.updates=-1", "task.updates=-1 is out of range"),
    ],
)
def test_what_cannot_be_is_told_and_leaves_nothing(command, override, message):
    done = command(*TINY, override)
    assert done.code == 2
    assert message in done.output
    assert done.folders == []


@pytest.mark.long
def test_a_mistake_is_explained_with_the_logits_of_a_sound_network(command):
    sound = command(*TINY, "task.updates=5", "loss=fused")
    other = command(*TINY, "task.updates=5", "loss=mistakes/posted_answer", folder=sound.folder / "other")
    assert "It was trained with the plain fused loss" in " ".join(other.output.split())
    assert "It was trained with" not in " ".join(sound.output.split())
    z = [re.search(r"z = np.array.*", done.output)[0] for done in (sound, other)]
    assert z[0] == z[1]


@pytest.mark.long
def test_more_updates_than_the_configured_run_has(command):
    done = command(*TINY, "task.updates=150", "epochs=1", "batch_size=64")
    assert done.code == 0
    assert "after 150 updates" in done.output


def test_a_run_that_blows_up_says_so(command):
    done = command(*TINY, "optimizer.lr=1e12", "task.updates=30")
    assert done.code == 1
    assert "diverged" in done.output
