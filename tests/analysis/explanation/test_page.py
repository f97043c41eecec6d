"""The page in a real browser: drawn on, dragged, switched and taught, its every number held against NumPy's."""

import base64
import json
import re

import numpy as np
import pytest

from mnist_trainer.analysis.explanation.numbers import mode_to_explain
from mnist_trainer.analysis.reference import reference_cross_entropy
from mnist_trainer.analysis.studies.saturation_curves import OneHotMode
from mnist_trainer.config import LossConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.inference.preparation import as_mnist, as_scaled, as_scikit_digit
from mnist_trainer.layer_list import build_list, entry_of
from mnist_trainer.model import Sequential
from tests.analysis.explanation.visits import Visit, taught, write_page
from tests.browser import BROWSERS, browsing, installed

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(installed() is None, reason=f"none of {', '.join(BROWSERS)} is in the PATH"),
]

WATCH = "window.errors = []; addEventListener('error', event => errors.push(event.message));"
NODES = ("separate", "fused", "homework", "clipped", "posted_question", "posted_answer", "diagonal", "double_jacobian")
SEVEN = [(30, 40), (110, 38), (80, 90), (62, 140)]


@pytest.fixture(scope="module")
def browser():
    with browsing(installed()) as one:
        one.ask("Page.enable")
        one.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        resize(one, 1280, 720)
        yield one


def resize(browser, width, height, mobile=False):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)


@pytest.fixture(scope="module")
def network():
    return taught()


@pytest.fixture
def visit(browser, network, tmp_path):
    made = Visit(browser, write_page(network, tmp_path))
    yield made
    assert made.read("errors") == []


def logits_by_numpy(network, pixels):
    """What the network's float32 parameters make of bytes in float64; all of its parameters, so that one can step."""
    x = pixels.reshape(1, -1) * network.scaling.scale + network.scaling.shift
    return network_by_numpy(network).forward(x.reshape(1, *network.dataset.image_shape), training=False)[0].copy()


def network_by_numpy(network):
    layers = build_list([entry_of(layer) for layer in network.model.stack.layers], "layers")
    model = Sequential(layers, network.dataset.image_shape, 1, "float64", np.random.default_rng(0))
    for key, view in model.arrays.items():
        view[...] = network.model.arrays[key]
    return model


def node(name, classes, batch, dtype):
    if name == "homework" or name.startswith("posted") or name == "double_jacobian":
        return OneHotMode(LossConfig(name), classes, batch, dtype)  # whose log is of whole rows
    return mode_to_explain(name, classes, batch, dtype)


def close(found, right, bits=64):
    bound = {"rtol": 1e-9, "atol": 1e-12} if bits == 64 else {"rtol": 2e-5, "atol": 2e-6}
    np.testing.assert_allclose(found, right, **bound, equal_nan=True)


def check_numbers(visit, network):
    """Hold all that the page computes of its situation against NumPy and this program's own nodes."""
    state = visit.read(
        "(({way, batch, row, bits, label, unshifted}) => ({way, batch, row, bits, label, unshifted}))(state)"
    )
    z, label, found, truth = (
        visit.array("situation.z"),
        visit.read("situation.label"),
        *map(visit.read, ("situation.found", "situation.truth")),
    )
    classes, n = len(z), state["batch"]
    right = reference_cross_entropy(z[np.newaxis], np.array([label]))
    close(truth["loss"], right.losses[0])
    close(truth["dz"], right.logits[0] / n)
    close(truth["dt"], right.targets[0] / n)
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    close(truth["p"], p)
    close(truth["jacobian"], np.diag(p) - np.outer(p, p))
    if state["way"] in NODES and not state["unshifted"]:
        dtype = np.float32 if state["bits"] == 32 else np.float64
        mode = node(state["way"], classes, n, dtype)
        with np.errstate(all="ignore"):
            loss = mode.forward(np.tile(z, (n, 1)).astype(dtype), np.full(n, label))
            close(found["loss"], loss, state["bits"])
            try:
                close(found["dz"], mode.backward()[state["row"]], state["bits"])
            except MistakeError:
                assert found["dz"] is None
                assert found["refused"]
    for block, values in (("block-p", found["p"]), ("block-dz", found["dz"]), ("block-right", truth["dz"])):
        texts, rows = visit.shown(block), visit.read("situation.shown")
        for text, k in zip(texts, rows, strict=True):
            assert text == "" if values is None else written(text, values[k])
    equal = found["dz"] is not None and all(alike(a, b) for a, b in zip(found["dz"], truth["dz"], strict=True))
    said = visit.read("document.querySelector('#verdict').innerText")
    assert ("are equal in all" in said) == equal
    assert visit.read("document.querySelector('#sign').textContent") == ("=" if equal else "≠")


def written(text, value):
    """Whether a text is the rounded number."""
    if not np.isfinite(value):
        return text.replace("−", "-") == str(value)
    read = float(text.replace("−", "-"))
    digits = text.partition("e")[0].partition(".")[2]
    exponent = int(text.partition("e")[2].replace("−", "-") or 0)
    return abs(read - value) <= 0.5000001 * 10.0 ** (exponent - len(digits))


def alike(one, other):
    """Whether two numbers are written alike, as this file understands it: to four decimals, tiny ones to one digit."""

    def form(value):
        if not np.isfinite(value) or value == 0:
            return str(abs(value)) if value == 0 else str(value)
        return f"{value:.4f}" if abs(value) >= 5e-5 else f"{value:.0e}"

    return form(one) == form(other)


def test_it_opens_on_the_lecture_s_image_without_a_scroll_bar(visit, network):
    assert visit.read("page.images[state.image].index") == 3
    close(visit.array("situation.own"), logits_by_numpy(network, network.dataset.test_images[3]))
    check_numbers(visit, network)
    assert visit.read("document.documentElement.scrollWidth") <= 1280
    assert visit.read("document.querySelector('.desk').getBoundingClientRect().bottom") <= 720


def test_each_way_s_numbers_are_those_of_this_program_s_nodes(visit, network):
    for way in visit.read("WAYS.map(way => way.name)"):
        visit.choose(way)
        assert visit.read("state.way") == way
        check_numbers(visit, network)
    visit.click("#bits")
    assert visit.read("state.bits") == 32
    for way in ("separate", "fused", "homework", "clipped", "posted_answer", "double_jacobian"):
        visit.choose(way)
        for gap in (0, 20, 88, 91, 104):
            visit.browser.value(f"setGap({gap})")
            check_numbers(visit, network)


@pytest.mark.parametrize(("batch", "row"), [(1, 0), (10, 4), (128, 0)])
def test_the_posted_question_runs_only_on_the_batch_sizes_that_it_can(visit, network, batch, row):
    visit.choose("posted_question")
    visit.browser.value("document.querySelector('#batch').focus(); document.querySelector('#batch').select()")
    visit.browser.ask("Input.insertText", text=str(batch))
    assert visit.read("state.batch") == batch
    visit.browser.value(f"change({{row: {row}}})")
    check_numbers(visit, network)
    assert ("can't run" in visit.read("document.querySelector('#verdict').innerText")) == (batch == 128)
    visit.choose("separate")
    check_numbers(visit, network)


def test_the_textbook_s_nodes_break_in_float32_where_they_do_in_numpy(visit):
    visit.choose("textbook")
    visit.click("#bits")
    for batch, gap, finite in [(1, 88, True), (1, 89.5, False), (10, 89.5, True), (10, 92, False)]:
        visit.browser.value(f"change({{z: logitsWithGap(situation.own, situation.label, {gap}), batch: {batch}}})")
        label, z = visit.read("situation.label"), visit.array("situation.z").astype(np.float32)
        with np.errstate(all="ignore"):
            p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            dp = np.where(np.arange(10) == label, np.float32(-1) / (np.float32(batch) * p), np.float32(0))
            dz = p * (dp - (dp * p).sum())
        assert np.isfinite(dz).all() == finite
        found = visit.array("situation.found.dz")
        assert np.isfinite(found).all() == finite
        if finite:
            close(found, dz, 32)
        assert visit.read("document.querySelector('#step').disabled") == (not finite)
        assert ("nan" in visit.read("document.querySelector('#verdict').innerText")) == (not finite)
    visit.browser.value("change({z: logitsWithGap(situation.own, situation.label, 104)})")
    assert visit.read("situation.found.loss") == np.inf
    assert visit.read("attempt(wayNamed('fused'), situation.z, situation.label, {bits: 32}).loss") == pytest.approx(
        visit.read("situation.truth.loss"), rel=1e-6
    )


def test_a_drawing_is_prepared_as_predict_prepares_a_picture(visit, network):
    visit.drag("#pad", SEVEN)
    assert len(visit.read("state.strokes")) == 1
    seen = as_mnist(visit.array("[...drawnPicture(state.strokes).values]").reshape(160, 160)).image
    np.testing.assert_array_equal(visit.array("[...situation.bytes]"), seen.ravel())
    assert 20 < np.count_nonzero(seen) < 400
    close(visit.array("situation.own"), logits_by_numpy(network, seen))
    check_numbers(visit, network)
    before = visit.array("situation.z")
    visit.open(visit.read("location.hash").removeprefix("#"))
    close(visit.array("situation.z"), before)
    visit.click("#wipe")
    assert visit.read("[state.strokes.length, page.images[state.image].index]") == [0, 3]


DRAWINGS = {
    "a small one": [[70, 70, 90, 70, 78, 95]],
    "at the border": [[0, 20, 80, 20, 40, 159]],
    "two": [[30, 40, 30, 120], [110, 40, 110, 120]],
    "a dot": [[80, 80]],
    "a line": [[20, 80, 140, 80]],
    "a scribble": [[20, 20, 140, 30, 30, 50, 140, 70, 20, 90, 140, 110, 30, 140], [80, 10, 80, 150]],
}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_any_drawing_is_prepared_alike_for_any_data(visit, drawing):
    strokes = json.dumps(DRAWINGS[drawing])
    picture = visit.array(f"[...drawnPicture({strokes}).values]").reshape(160, 160)
    for kind, shape, right in (
        ("mnist", [28, 28, 1], as_mnist(picture)),
        ("digits", [28, 28, 1], as_scikit_digit(picture)),
        ("scaled", [11, 7, 1], as_scaled(picture, (11, 7, 1))),
    ):
        found = visit.array(f"[...prepared(drawnPicture({strokes}), '{kind}', {shape}).bytes]")
        assert np.abs(found - right.image.ravel()).max() <= 1, kind
        assert np.count_nonzero(found != right.image.ravel()) <= 2, kind


def test_a_logit_is_dragged_and_moved_by_keys_and_fingers(visit, network):
    slider = "#block-z .cell[data-class='2'] input"
    before = visit.array("situation.z")
    visit.drag(slider, [(80, 80), (120, 80), (150, 80)])
    dragged = visit.array("situation.z")
    assert dragged[2] > before[2] + 1
    np.testing.assert_allclose(np.delete(dragged, 2), np.delete(before, 2), atol=5.1e-4)
    check_numbers(visit, network)
    visit.browser.value(f'document.querySelector("{slider}").focus()')
    visit.key("ArrowRight")
    assert visit.array("situation.z")[2] == pytest.approx(dragged[2] + 0.1, abs=2e-3)
    left, top, width, height = visit.box(slider)
    for kind, x in (("touchStart", 0.6), ("touchMove", 0.3), ("touchMove", 0.1)):
        points = [{"x": left + x * width, "y": top + height / 2}]
        visit.browser.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    visit.browser.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert visit.array("situation.z")[2] < before[2]
    check_numbers(visit, network)
    visit.click("#reset")
    close(visit.array("situation.z"), before)


def test_the_pad_can_be_drawn_on_by_keys(visit):
    visit.browser.value("document.querySelector('#pad').focus()")
    visit.key(" ", " ")
    for key in ("ArrowDown",) * 12 + ("ArrowRight",) * 6:
        visit.key(key)
    visit.key(" ", " ")
    (stroke,) = visit.read("state.strokes")
    assert stroke[:2] == [80, 40]
    assert stroke[-2:] == [110, 100]
    assert visit.read("situation.isDigit")


def test_another_truth_is_chosen(visit, network):
    visit.click("#block-names .cell[data-class='7'] input")
    assert visit.read("situation.label") == 7
    assert visit.read("document.querySelector('#label').value") == "7"
    check_numbers(visit, network)
    assert "7 true" in visit.read("document.querySelector('#block-names').innerText")


@pytest.mark.parametrize("way", ["separate", "posted_answer", "diagonal"])
def test_a_step_on_the_logits(visit, network, way):
    visit.choose(way)
    z, dz, loss = visit.array("situation.z"), visit.array("situation.found.dz"), visit.read("situation.truth.loss")
    visit.browser.value("change({rate: 0.5})")
    visit.click("#step")
    close(visit.array("situation.z"), z - 0.5 * dz)
    assert visit.read("situation.truth.loss") < loss
    assert "the loss falls" in visit.read("document.querySelector('#taken').innerText")
    check_numbers(visit, network)


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid", "leaky_relu"])
def test_a_step_on_all_weights_is_that_of_the_network_s_own_backward(browser, tmp_path, activation):
    network = taught(activation=activation)
    visit = Visit(browser, write_page(network, tmp_path))
    visit.click("input[name=on][value=weights]")
    visit.choose("double_jacobian")
    visit.browser.value("change({rate: 0.02})")
    model = network_by_numpy(network)
    x = (network.dataset.test_images[3] * network.scaling.scale + network.scaling.shift)[np.newaxis]
    mode = node("double_jacobian", 10, 1, np.float64)
    for _ in range(3):
        visit.click("#step")
        mode.forward(model.forward(x.copy(), training=True).copy(), network.dataset.test_labels[3:4].astype(np.intp))
        model.backward(mode.backward())
        model.parameters.values[...] -= 0.02 * model.parameters.gradients
    after = model.forward(x.copy(), training=False)[0]
    close(visit.array("situation.z"), after)
    check_numbers(visit, network)
    visit.open(visit.read("location.hash").removeprefix("#"))  # the same from the link
    close(visit.array("situation.z"), after)
    visit.browser.wait("document.querySelectorAll('#courses tr').length === WAYS.length")
    assert visit.read("errors") == []


def test_the_eleven_points_each_show_what_they_are_about(visit, network):
    for number, what in enumerate(
        [
            "multiplied in",
            "(128, 10)",
            "can't run",
            "must be smax(x)",
            "with respect to the logits",
            "The targets are an input",
            "The diagonal of J only",
            "is weighted by",
            "p is nan",
            "textbook: L inf",
            "a loss of inf",
        ],
        start=1,
    ):
        visit.click(f"#jumps button:nth-child({number})")
        assert visit.read("state.point") == number
        assert what in " ".join(visit.read("document.querySelector('#answer').innerText").split())
        check_numbers(visit, network)
        assert visit.read("document.querySelector('.desk').getBoundingClientRect().bottom + scrollY") <= 720
        state = visit.read("state")
        visit.open(visit.read("location.hash").removeprefix("#"))
        found = visit.read("state")
        close(np.array(found.pop("z") or 0.0, float), np.array(state.pop("z") or 0.0, float), 32)
        assert found == state


@pytest.mark.parametrize("state", ["z=1,2", "N=-3&row=x&loss=none&float=16&true=99", "learned=a*b&image=1e9&drawn=zz!"])
def test_an_address_that_makes_no_sense_is_left_out(visit, network, state):
    visit.open(state)
    check_numbers(visit, network)


@pytest.mark.parametrize("state", ["", "loss=posted_answer", "point=10&loss=textbook&float=32"])
def test_it_prints_on_two_pages_whatever_it_shows(visit, state):
    visit.open(state)
    for paper in ({}, {"paperWidth": 8.27, "paperHeight": 11.69}):
        pdf = base64.b64decode(visit.browser.ask("Page.printToPDF", printBackground=True, **paper)["data"])
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2


@pytest.mark.parametrize("size", [(400, 800), (768, 1024), (1920, 1080)])
def test_nothing_is_wider_than_the_window(visit, size):
    browser = visit.browser
    try:
        browser.ask(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=True
        )
        assert visit.read("document.documentElement.scrollWidth") <= size[0]
    finally:
        browser.ask("Emulation.setDeviceMetricsOverride", width=1280, height=720, deviceScaleFactor=1, mobile=False)


OTHERS = {
    "digits": {"name": "digits"},
    "26 classes": {"classes": 26},
    "3 classes": {"classes": 3},
    "small": {"name": "small", "shape": (8, 8, 1)},
    "colours": {"name": "colours", "shape": (9, 6, 3)},
    "no hidden layer": {"hidden": []},
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_data_and_networks(browser, tmp_path, other):
    network = taught(**OTHERS[other])
    visit = Visit(browser, write_page(network, tmp_path))
    close(visit.array("situation.own"), logits_by_numpy(network, network.dataset.test_images[3]))
    check_numbers(visit, network)
    visit.drag("#pad", SEVEN)
    close(visit.array("situation.own"), logits_by_numpy(network, visit.array("[...situation.bytes]")))
    visit.choose("posted_answer")
    check_numbers(visit, network)
    assert len(visit.shown("block-p")) == min(10, len(network.dataset.class_names))
    for number in range(1, 12):
        visit.click(f"#jumps button:nth-child({number})")
        check_numbers(visit, network)
    assert visit.read("errors") == []


def test_of_another_kind_of_network_there_are_the_images_logits(browser, tmp_path):
    entries = [{"kind": "conv2d", "filters": 2, "kernel": 5}, {"kind": "flatten"}, {"kind": "linear", "units": 10}]
    network = taught(entries=entries)
    visit = Visit(browser, write_page(network, tmp_path))
    x = (network.dataset.test_images[3:4] * network.scaling.scale + network.scaling.shift).astype(np.float32)
    np.testing.assert_allclose(visit.array("situation.own"), network.model.forward(x, training=False)[0], atol=1e-5)
    assert visit.read("document.querySelector('#pad').checkVisibility()") is False
    assert "what a Conv2d computes is not in this page" in visit.read("document.body.innerText")
    assert visit.read("document.querySelector('input[name=on][value=weights]').disabled") is True
    visit.click("#step")
    check_numbers(visit, network)
    assert visit.read("errors") == []


TELL = (
    "<script>change({way: 'posted_answer'});"
    "parent.postMessage([document.querySelector('#ways :checked').value, location.hash], '*');</script>"
)


def test_in_a_frame_as_mlflow_s_it_works(browser, tmp_path, network):
    """MLflow shows a page as a blob in a sandbox, which has no storage, and perhaps no address that one may change."""
    text = json.dumps(write_page(network, tmp_path).read_text() + TELL).replace("<", "\\u003c")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"""<iframe sandbox="allow-scripts" style="width: 1250px; height: 700px"></iframe><script>
        let said = null;
        addEventListener("message", event => {{ said = event.data; }});
        const page = new Blob([{text}], {{type: "text/html"}});
        document.querySelector("iframe").src = URL.createObjectURL(page);
        </script>"""
    )
    browser.open(f"file://{frame}")
    browser.wait("said !== null")
    assert browser.value("said[0]") == "posted_answer"
