"""The page is one file that needs no other, and what it carries is what the network has."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer.analysis.explanation import carried
from mnist_trainer.analysis.explanation.assembly import SCRIPTS, explanation_page, page_file
from mnist_trainer.analysis.explanation.carried import carried_by_page
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import Subject, Taught
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layer_list import build_list, mlp_layer_list
from mnist_trainer.model import Sequential

CONVOLUTIONAL = [{"kind": "conv2d", "filters": 2, "kernel": 3}, {"kind": "flatten"}, {"kind": "linear", "units": 3}]


def taught(entries=None, shape=(4, 4, 1), classes=("<b>&", "</script>", "c"), tests=9, max_batch=4):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(30, *shape), dtype=np.uint8)
    labels = np.arange(30, dtype=np.uint8) % len(classes)
    given = images[tests:], labels[tests:], images[:tests], labels[:tests]
    dataset = Dataset("data <x>", "", *given, tuple(classes), "", 1)
    layers = build_list(entries or mlp_layer_list([5], "gelu", 0.5, len(classes)), "layers")
    return Taught(Sequential(layers, shape, max_batch, "float32", rng), Scaling(1 / 255, -0.5), dataset)


def page_of(network, index=2):
    found = carried_by_page(network, index)
    names = network.dataset.class_names
    logits = np.linspace(-1, 2, len(names))
    image = network.dataset.test_images[index].mean(axis=-1).astype(np.uint8)
    subject = Subject(logits, 0, names, image, index, network.dataset.name, "A network.", "A reason.")
    return explanation_page(explain_gradient(subject, logits[np.newaxis], np.array([0])), found), found.data


class Outline(HTMLParser):
    """Fails where a tag is closed that isn't open."""

    VOID = ("meta", "input", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.seen and self.open[-1:] == ["script"]:
            self.text[self.seen[-1][1].get("id")] = data


def test_the_page_is_whole_and_needs_nothing_else():
    text, data = page_of(taught())
    page = Outline(text)
    assert page.open == []
    assert not {"link", "iframe", "img", "object"} & {tag for tag, _ in page.seen}
    assert not any({"src", "action"} & set(attributes) for _, attributes in page.seen)
    assert "http" not in text
    assert "{{" not in text.replace("${{", "")
    assert json.loads(page.text["data"])["classes"] == data["classes"] == ["<b>&", "</script>", "c"]
    assert [tag for tag, _ in page.seen].count("script") == len(SCRIPTS) + 1


def test_every_script_is_put_in_and_has_what_it_needs_before_it():
    folder = {path.name for path in (Path(carried.__file__).parent / "page").iterdir()}
    assert folder == {"page.html", "style.css", "forms.css", *(f"{name}.js" for name in SCRIPTS)}
    for name in SCRIPTS:
        assert page_file(f"{name}.js").startswith('"use strict";\n//')


def test_what_it_carries_computes_what_the_network_does():
    network = taught()
    _, data = page_of(network)
    pixels = np.frombuffer(base64.b64decode(data["pixels"]), np.uint8).reshape(9, -1)
    np.testing.assert_array_equal(pixels, network.dataset.test_images.reshape(9, -1))
    x = pixels * data["scale"] + data["shift"]
    first, activation, last = data["layers"]
    assert activation == {"kind": "gelu"}
    for entry, inputs in ((first, 16), (last, 5)):
        weights = np.frombuffer(base64.b64decode(entry["weights"]), "<f4").reshape(inputs, entry["units"])
        x = x @ weights.astype(float) + np.frombuffer(base64.b64decode(entry["bias"]), "<f4")
        if entry is first:
            x = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    scaled = (network.dataset.test_images[:4] / 255 - 0.5).astype(np.float32)
    np.testing.assert_allclose(x[:4], network.model.forward(scaled, training=False), atol=1e-5)
    assert [image["predicted"] for image in data["images"]] == x.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    ("entries", "most", "why"),
    [
        (CONVOLUTIONAL, carried.MOST_WEIGHTS, "its layer Conv2d is none that the page computes"),
        (None, 100, "its weights would take 0.0 MB, more than the 0 MB that fit"),
    ],
)
def test_without_the_network_there_are_the_images_logits_and_the_reason(entries, most, why, monkeypatch):
    monkeypatch.setattr(carried, "MOST_WEIGHTS", most)
    network = taught(entries)
    text, data = page_of(network)
    assert data["layers"] is None
    assert why in data["why_not"]
    assert why in text
    logits = np.frombuffer(base64.b64decode(data["logits"]), "<f8").reshape(9, 3)
    scaled = (network.dataset.test_images[4:8] / 255 - 0.5).astype(np.float32)
    np.testing.assert_allclose(logits[4:8], network.model.forward(scaled, training=False), atol=1e-6)


def test_the_images_are_the_first_and_the_one_that_the_lecture_is_of():
    assert carried.images_to_carry(10_000, 784, 952) == [*range(160), 952]
    assert carried.images_to_carry(50, 784, 7) == [*range(50)]
    assert carried.images_to_carry(50, 10**9, 7) == [0, 7]


def test_the_eleven_points_are_in_it_with_their_signs():
    text, _ = page_of(taught())
    points = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1])["points"]
    assert "".join(point["sign"][0] for point in points) == "✗✓✗✗✗✓✗✓✓✗✓"
    assert points[2]["quote"] == "<code>np.eye(self.data.shape[0])</code>"
