"""The page's every number, in a real browser, is NumPy's."""

import json

import numpy as np
import pytest

from tests.analysis.explanation.held import check_numbers, check_words, close, logits_by_numpy, network_by_numpy, node
from tests.analysis.explanation.visits import SEVEN, Visit, taught, write_page

pytestmark = pytest.mark.long


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
    for batch, gap, finite in [(1, 88, True), (1, 89.5, False), (10, 88, True), (10, 89.5, False)]:
        visit.browser.value(f"change({{z: logitsWithGap(situation.own, situation.label, {gap}), batch: {batch}}})")
        label, z = visit.read("situation.label"), visit.array("situation.z").astype(np.float32)
        with np.errstate(all="ignore"):
            p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            dp = -np.eye(10, dtype=np.float32)[label] / p / np.float32(batch)
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


def test_what_is_said_is_true_in_any_situation(visit, network):
    rng = np.random.default_rng(7)
    ways = visit.read("WAYS.map(way => way.name)")
    for number in range(120):
        scale = (0.01, 1, 5, 40, 300)[number % 5]
        z = (scale * rng.standard_normal(10)).round(3).tolist()
        patch = {
            "z": z,
            "label": int(rng.integers(10)),
            "way": ways[number % len(ways)],
            "batch": int(rng.choice([1, 3, 10])),
            "bits": int(rng.choice([32, 64])),
            "unshifted": bool(rng.random() < 0.2),
        }
        visit.browser.value(f"change({json.dumps(patch)})")
        check_words(visit)
        check_numbers(visit, network)


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
    visit.open(visit.address())  # the same from the link
    close(visit.array("situation.z"), after)
    visit.browser.wait("document.querySelectorAll('#courses tr').length === WAYS.length")
    assert visit.read("errors") == []


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
    assert "its layer Conv2d is none that the page computes" in visit.read("document.body.innerText")
    assert visit.read("document.querySelector('input[name=on][value=weights]').disabled") is True
    visit.click("#step")
    check_numbers(visit, network)
    assert visit.read("errors") == []
