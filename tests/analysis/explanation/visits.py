"""A network that was never trained, its page, and a visitor who draws, drags and clicks on it."""

import itertools
import json

import numpy as np

from mnist_trainer.analysis.explanation.assembly import explanation_page
from mnist_trainer.analysis.explanation.carried import carried_by_page
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import Subject, Taught
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.digits import digits_path, read_digits
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.layer_list import build_list, mlp_layer_list
from mnist_trainer.model import Sequential
from tests.fixtures.journals import until

SEVEN = [(30, 40), (110, 38), (80, 90), (62, 140)]  # a line, on a pad of 160
SMALL = {"hidden": [16, 12], "activation": "relu", "dropout": 0.0}


def taught(classes=10, name="mnist", shape=None, entries=None, **settings):
    """A network that was never trained, but whose logits are wide apart."""
    images, labels, test_images, test_labels = read_digits(digits_path())
    names = tuple("abcdefghijklmnopqrstuvwxyz"[:classes]) if classes != 10 else tuple("0123456789")
    if shape is not None:
        images, test_images = (np.resize(each, (len(each), *shape)) for each in (images, test_images))
    labels, test_labels = labels % classes, test_labels % classes
    dataset = Dataset(name, "", images, labels, test_images, test_labels, names, "", 1)
    layers = build_list(entries or mlp_layer_list(**{**SMALL, **settings}, classes=classes), "layers")
    model = Sequential(layers, dataset.image_shape, 64, "float32", np.random.default_rng(5))
    for key, view in model.arrays.items():
        view += 0.3 * np.random.default_rng(len(key)).standard_normal(view.shape, np.float32) * (view.ndim == 1)
    return Taught(model, Scaling(1 / 80, -0.4), dataset)


def write_page(network, folder, index=3):
    dataset = network.dataset
    label, names = int(dataset.test_labels[index]), dataset.class_names
    logits = np.linspace(-1, 2, len(names))
    image = dataset.test_images[index].mean(axis=-1).astype(np.uint8)
    subject = Subject(logits, label, names, image, index, dataset.name, "A network.", "A reason.")
    e = explain_gradient(subject, logits[np.newaxis], np.array([label]))
    path = folder / "explanation.html"
    path.write_text(explanation_page(e, carried_by_page(network, index)))
    return path


def resize(browser, width, height, mobile=False):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)


class Visit:
    """A page that is open, and what a reader does on it."""

    def __init__(self, browser, path, state=""):
        self.browser, self.path = browser, path
        self.open(state)

    def open(self, state=""):
        self.browser.open(f"file://{self.path}{state and '#'}{state}")
        until(lambda: self.browser.value("document.readyState === 'complete' && typeof situation === 'object'"))

    def read(self, script):
        """What JavaScript comes to, inf and nan in it, too."""
        plain = "(key, value) => typeof value === 'number' && !Number.isFinite(value) ? `number ${value}` : value"
        text = self.browser.value(f"JSON.stringify({script}, {plain})")

        def numbers(value):
            if isinstance(value, list):
                return [numbers(each) for each in value]
            if isinstance(value, dict):
                return {key: numbers(each) for key, each in value.items()}
            if isinstance(value, str) and value.startswith("number "):
                return float(value.removeprefix("number ").replace("Infinity", "inf"))
            return value

        return numbers(json.loads(text))

    def array(self, script):
        return np.array(self.read(script), float)

    def box(self, selector):
        script = f"document.querySelector({json.dumps(selector)})"
        self.browser.value(f"{script}.scrollIntoView({{block: 'center'}})")
        return self.read(
            f"(({{left, top, width, height}}) => [left, top, width, height])({script}.getBoundingClientRect())"
        )

    def mouse(self, kind, x, y):
        pressed = {"buttons": int(kind != "mouseReleased"), "button": "left", "clickCount": 1}
        self.browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def click(self, selector):
        left, top, width, height = self.box(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, left + width / 2, top + height / 2)

    def drag(self, selector, points):
        """Go along points in parts of 160 of a thing's size."""
        left, top, width, height = self.box(selector)
        places = [(left + x / 160 * width, top + y / 160 * height) for x, y in points]
        self.mouse("mousePressed", *places[0])
        for (x0, y0), (x1, y1) in itertools.pairwise(places):
            for part in np.linspace(0.1, 1, 10):
                self.mouse("mouseMoved", x0 + part * (x1 - x0), y0 + part * (y1 - y0))
        self.mouse("mouseReleased", *places[-1])

    def stroke(self, selector, points):
        """The same with a finger."""
        left, top, width, height = self.box(selector)
        for number, (x, y) in enumerate(points):
            touch = [{"x": left + x / 160 * width, "y": top + y / 160 * height}]
            kind = "touchMove" if number else "touchStart"
            self.browser.ask("Input.dispatchTouchEvent", type=kind, touchPoints=touch)
        self.browser.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, key, text=""):
        code = {"Enter": 13, "ArrowRight": 39, "ArrowDown": 40, " ": 32}.get(key, 0)
        press = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.browser.ask("Input.dispatchKeyEvent", type="keyDown", **press)
        self.browser.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def choose(self, way):
        self.click(f"#ways input[value={way}]")

    def address(self):
        """What stands behind the address's #, once that is what the page has."""
        until(lambda: self.read("location.hash.slice(1) === stateAsText(state, page)"))
        return self.read("location.hash.slice(1)")

    def said(self, place):
        return " ".join(self.read(f"document.querySelector({json.dumps(place)}).innerText").split())

    def height(self):
        """Where what one works on ends."""
        return self.read("document.querySelector('.desk').getBoundingClientRect().bottom + scrollY")

    def shown(self, block):
        """The numbers that stand in a block's rows, as texts."""
        return self.read(f"[...document.querySelectorAll('#{block} .cell[data-class] .value')].map(e => e.textContent)")
