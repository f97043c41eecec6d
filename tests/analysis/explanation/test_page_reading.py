"""What readers stumbled over: hints, groups and arrows that the digits contradict, and controls that move."""

import itertools
import json

import numpy as np
import pytest

from tests.analysis.explanation.sentences import way_by_numpy
from tests.analysis.explanation.visits import SEVEN, resize

pytestmark = pytest.mark.long

GAPS = (-110, -20, 0.2, 20, 88, 91, 104)
AHEAD = "document.documentElement.dataset.ahead === (stateAsText(state, page) || 'start')"


def in_float32(visit, **patch):
    visit.browser.value(f"change({json.dumps({'bits': 32, 'z': None, **patch})})")


def test_where_it_says_when_the_textbook_breaks_it_doesn_t_here(visit):
    for way, gap in itertools.product(("fused", "homework", "separate", "clipped"), GAPS):
        in_float32(visit, way=way)
        visit.browser.value(f"setGap({gap})")
        found = way_by_numpy("textbook", visit.array("situation.z"), visit.read("situation.label"), bits=32)
        whole = bool(np.isfinite(found["loss"]) and np.isfinite(found["dz"]).all())
        assert ("breaks once L passes 88.7, or any p is 0" in visit.said("#verdict")) == whole
        assert ("Here “textbook” breaks" in visit.said("#verdict")) == (not whole)


def test_a_way_s_group_says_what_float32_leaves_right_of_it(visit):
    for gap in (*GAPS, 120):
        in_float32(visit)
        visit.browser.value(f"setGap({gap})")
        for group, title in visit.read("WAYS.map(way => [way.group, way.name])"):
            visit.browser.value(f"change({{way: '{title}'}})")
            loss, right = visit.read("[situation.found.loss, situation.truth.loss]")
            marks = visit.read("marksOf(situation).dz")
            if group == "right":
                assert loss == pytest.approx(right, rel=1e-5, abs=1e-6)
            if group in ("right", "gradient right"):
                assert marks is True, (title, gap)
    shown = visit.read("[...document.querySelectorAll('#ways .group')].map(e => e.textContent)")
    assert shown == list(dict.fromkeys(visit.read("WAYS.map(way => way.group)"))) == visit.read("Object.keys(GROUPS)")


@pytest.mark.parametrize("patch", ["on: 'weights', rate: 0.01", "rate: 0.003", "rate: 1e-6", "batch: 128"])
def test_an_arrow_stands_where_the_digits_differ_and_nothing_sticks_out(visit, patch):
    for gap in (None, -6, 20):
        visit.browser.value(f"change({{z: null, learned: []}}); change({{{patch}}})")
        if gap is not None and "weights" not in patch:
            visit.browser.value(f"setGap({gap})")
        visit.browser.wait(AHEAD)
        start = visit.said("#ahead").partition("True loss, ")[2].partition(" now")[0]
        for _, _, end, sign in visit.read(
            "[...document.querySelectorAll('#courses tr')].map(row => [...row.cells].map(cell => cell.textContent))"
        ):
            assert (sign == "=") == (end == start) or sign == "✗", (start, end, sign)
        assert visit.read("document.documentElement.scrollWidth") <= 1280
        assert visit.read(
            "[...document.querySelectorAll('#chart text')].every(text => text.getBBox().x >= 0)"
        )  # no label is cut


def test_beside_the_truth_stands_what_the_loss_is_measured_to_do(visit):
    for way, batch, gap in itertools.product(("fused", "posted_answer"), (1, 10), (-15, 0, 20, 104)):
        visit.browser.value(f"change({{way: '{way}', batch: {batch}}}); setGap({gap})")
        z, label = visit.array("situation.z"), visit.read("situation.label")

        def loss(moved, label=label):
            return np.log(np.exp(moved - moved.max()).sum()) + moved.max() - moved[label]

        slopes = [(loss(z + step) - loss(z - step)) / 2e-4 / batch for step in 1e-4 * np.eye(len(z))]
        texts = visit.read("[...document.querySelectorAll('#block-right .measured')].map(e => e.textContent)")
        np.testing.assert_allclose([float(text.replace("−", "-")) for text in texts], slopes, atol=5.1e-5)
        np.testing.assert_allclose(slopes, visit.array("situation.truth.dz"), atol=1e-6)


def test_without_a_jacobian_the_direct_route_stands_in_its_place(visit):
    for way in visit.read("WAYS.map(way => way.name)"):
        visit.choose(way)
        shown = visit.read("document.querySelector('#direct').checkVisibility()")
        assert shown == (way in ("fused", "homework"))
    visit.choose("fused")
    assert "never takes log p or 1/p" in visit.said("#about")


def test_the_pull_that_a_wrong_gradient_leaves_of_the_true_class_is_said(visit):
    in_float32(visit, way="posted_answer")
    visit.browser.value("setGap(20)")
    assert "The true class gets almost no pull" in visit.said("#verdict")
    visit.browser.value("change({way: 'posted_question', batch: 10, row: 0, z: null, label: 4})")
    assert ("pushed down" in visit.said("#verdict")) == (visit.array("situation.found.dz")[4] > 0)


def test_a_rate_that_is_too_long_for_a_downhill_step_is_called_so(visit):
    visit.browser.value(
        "change({z: [0.1, 0.2, 3, 0.1, 2.461, 0.5, 2.276, 0.8, 0.2, 0.3], label: 6, way: 'logits_for_p'})"
    )
    for rate in (1e-6, 1, 100):
        visit.browser.value(f"change({{rate: {rate}}})")
        z, dz = visit.array("situation.z"), visit.array("situation.found.dz")
        down = dz @ visit.array("situation.truth.dz") > 0
        after = visit.read(f"truth({(z - rate * dz).tolist()}, situation.label).loss")
        worse = down and not after < visit.read("situation.truth.loss")
        assert ("it is too long" in visit.said("#verdict")) == worse


MOVED = ("pad", "image", "gap", "gaps", "batch", "flow", "rate", "step", "back", "chart", "courses", "bits")
PLACES = f"""{json.dumps(MOVED)}.map(id => document.getElementById(id).getBoundingClientRect())
  .map(({{left, top, width}}) => [left, top + scrollY, width])"""


def test_no_control_moves_whatever_is_done(visit):
    visit.browser.wait(AHEAD)
    places = visit.read(PLACES)
    for action in (
        "change({way: 'posted_question', batch: 10})",
        "change({batch: 1, way: 'separate', rate: 100})",
        "change({rate: 0.123})",
        "setGap(20); learn(10)",
        "learn(1)",
        "change({z: null, on: 'weights', rate: 0.01}); learn(10)",
        "change({way: 'fused', bits: 32, unshifted: true})",
        "notice('Link copied. It leads to the file on this computer.')",
        "change({way: 'logits_for_p', rate: 100}); learn(10)",
    ):
        visit.browser.value(action)
        visit.browser.wait(AHEAD)
        np.testing.assert_allclose(visit.read(PLACES), places, atol=0.6, err_msg=action)
        assert visit.read("document.documentElement.scrollWidth") <= 1280, action
        assert visit.height() <= 720, action


def test_steps_on_the_weights_that_another_picture_drops_are_told(visit):
    for act in (
        lambda: visit.click("#after"),
        lambda: visit.drag("#pad", SEVEN),
        lambda: visit.click("#jumps button:nth-child(7)"),
    ):
        visit.browser.value("change({strokes: [], z: null, point: 0, on: 'weights', rate: 0.01}); learn(10)")
        act()
        assert "dropped: the 10 steps on the weights" in visit.said("#taken")
        assert visit.read("state.learned") == []


def test_the_caption_speaks_of_now_only_where_the_table_does(visit):
    assert "taken for" in visit.said("#told")
    visit.browser.value("setGap(-9)")
    assert ": was taken for" in visit.said("#told")
    visit.browser.value("change({z: null, on: 'weights', rate: 0.01}); learn(10)")
    assert ": now taken for" in visit.said("#told")
    shown = visit.shown("block-p")[visit.read("situation.predicted")]
    assert visit.said("#told").partition("(p ")[2].startswith(f"{float(shown):.2f}")


def test_a_point_s_gap_stays_on_another_image(visit):
    visit.click("#jumps button:nth-child(10)")
    visit.click("#after")
    assert visit.read("[state.point, Math.round(situation.gap)]") == [10, 104]
    assert "nan" in visit.said("#verdict")
    for change in ("label: (situation.label + 1) % 10", "z: null", "way: 'fused', point: 10"):
        visit.browser.value(f"change({{{change}}})")
        assert "textbook: L nan" in visit.said("#answer") or "textbook: L inf" in visit.said("#answer")


@pytest.mark.parametrize("width", [1024, 1100, 1264])
def test_a_zoom_rearranges_nothing_of_the_table(visit, width):
    try:
        resize(visit.browser, width, 720)
        tops = visit.read("[...document.querySelectorAll('#flow > .block')].map(e => e.getBoundingClientRect().top)")
        assert len(set(tops)) == 1
        assert visit.read("document.documentElement.scrollWidth") <= width
    finally:
        resize(visit.browser, 1280, 720)
