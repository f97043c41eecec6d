"""What the page says and how it lies there, in a real browser: true in every state, readable, nothing over another."""

import itertools
import json
import re

import numpy as np
import pytest

from tests.analysis.explanation.held import check_words
from tests.analysis.explanation.visits import SEVEN, resize

pytestmark = pytest.mark.long

RIGHT = ("separate", "fused", "homework", "textbook")


def said(visit, place):
    return " ".join(visit.read(f"document.querySelector('{place}').innerText").split())


@pytest.mark.parametrize("way", RIGHT)
@pytest.mark.parametrize("bits", [64, 32])
def test_a_right_gradient_sums_to_0_on_every_image_and_after_steps_on_all_weights(visit, way, bits):
    visit.choose(way)
    visit.browser.value(f"change({{bits: {bits}}})")
    sums = """page.images.map((_, image) => {
        const s = situationOf({...state, image}, page, learner);
        return [marksOf(s).dz, sumSaid(s, s.found.dz)];
    })"""
    found = visit.read(sums)
    assert len(found) == 160
    assert [one for one in found if not one[0] or "not to 0" in one[1]] == []
    for rate in (0.003, 0.02):  # until the loss is all but 0
        visit.browser.value(f"change({{z: null, on: 'weights', rate: {rate}}})")
        for _ in range(6):
            visit.browser.value("learn(10)")
            assert "sums to 0" in said(visit, "#verdict")
            assert visit.read("document.querySelector('#block-dz .foot').innerText") == "Σ 0"
            check_words(visit)


@pytest.mark.parametrize("way", ["posted_answer", "diagonal", "logits_for_p"])
def test_a_wrong_gradient_s_sum_is_told_however_small_it_is(visit, way):
    visit.choose(way)
    visit.browser.value("setGap(-12)")
    assert 0 < abs(visit.array("situation.found.dz").sum()) < 1e-4 or way == "logits_for_p"
    assert "not to 0" in said(visit, "#verdict")


@pytest.mark.parametrize(("gap", "why"), [(91, "−inf − (−inf)"), (104, "−inf · 0")])
def test_where_the_textbook_breaks_the_sum_under_j_is_what_the_node_computes(visit, gap, why):
    visit.browser.value(f"change({{way: 'textbook', bits: 32}}); setGap({gap})")
    assert why in said(visit, "#verdict")
    assert "p·(g − Σ g p)" in said(visit, "#verdict")
    p, dp = visit.array("situation.found.p"), visit.array("situation.found.dp")
    with np.errstate(all="ignore"):
        dz = p * (dp - (dp * p).sum())
    np.testing.assert_array_equal(np.isnan(dz), np.isnan(visit.array("situation.found.dz")))
    feet = visit.read("[...document.querySelectorAll('#block-j .weighted')].map(e => e.innerText)")
    assert [foot == "nan" for foot in feet] == np.isnan(dz).tolist()


def test_where_p_is_held_it_is_said_and_marked_and_which_way_breaks_is_a_click_away(visit):
    visit.browser.value("change({bits: 32}); setGap(91)")
    assert "p is held at 1e−30" in said(visit, "#loss")
    row = f"#block-p [data-class='{visit.read('situation.label')}']"
    assert "held" in visit.read(f"""document.querySelector("{row}").className""")
    assert "1e−30" in said(visit, "#about")
    assert visit.read("marksOf(situation).jacobian") is True
    assert visit.read("document.querySelectorAll('#block-j .cell.off').length") == 0
    visit.choose("clipped")
    assert visit.read(f"""document.querySelector("{row} .value").innerText""") == "1e−7"
    visit.click("#verdict [data-way]")
    assert visit.read("[state.way, state.bits]") == ["textbook", 32]
    assert "nan" in said(visit, "#verdict")
    visit.choose("double_jacobian")
    assert "p is held at 1e−30" in said(visit, "#loss")


def test_float32_s_rounding_is_no_mistake(visit):
    for z in ([0, 0, 0, 0, -110, 0, 5, 0, 0, 0], [40, 0, 0, 0, 0, 0, 5, 0, 0, 0]):
        for way in ("homework", "fused"):
            visit.browser.value(f"change({{way: '{way}', bits: 32, label: 6, z: {z}}})")
            assert "are equal in all 10 rows" in said(visit, "#verdict")
            check_words(visit)


OVERLAPS = """(() => {
  const texts = [...document.querySelectorAll('#flow header h2, #flow header .formula, #flow header .under')].map(e => {
    const range = document.createRange();
    range.selectNodeContents(e);
    const {left, right, top, bottom} = range.getBoundingClientRect();
    return [e.innerText, left, right, top + 2, bottom - 2];
  }).filter(([text]) => text);
  const over = ([, l, r, t, b], [, L, R, T, B]) => l < R - 0.5 && L < r - 0.5 && t < B - 0.5 && T < b - 0.5;
  return texts.flatMap((one, k) =>
    texts.slice(k + 1).filter(other => over(one, other)).map(other => [one[0], other[0]]));
})()"""


@pytest.mark.parametrize("size", [(1280, 720), (1105, 720), (1045, 720), (768, 1024), (400, 800)])
def test_no_heading_lies_over_another_in_any_way(visit, size):
    try:
        resize(visit.browser, *size)
        for way, targets in itertools.product(visit.read("WAYS.map(way => way.name)"), ("false", "true")):
            visit.browser.value(f"change({{way: '{way}', targets: {targets}}})")
            assert visit.read(OVERLAPS) == [], way
    finally:
        resize(visit.browser, 1280, 720)


def test_nothing_is_below_the_window_in_any_way_at_any_gap(visit):
    states = itertools.product(visit.read("WAYS.map(way => way.name)"), (32, 64), (1, 10, 128), (0, 88, 104))
    for way, bits, batch, gap in states:
        patch = json.dumps({"way": way, "bits": bits, "batch": batch, "z": None})
        visit.browser.value(f"change({patch}); setGap({gap})")
        assert visit.read("document.querySelector('.desk').getBoundingClientRect().bottom + scrollY") <= 720, patch


def test_the_question_stays_whatever_is_done(visit):
    for action in ("#step", "#block-names .cell[data-class='7'] input", "#after"):
        visit.click(action)
        visit.browser.value("scrollTo(0, 0)")
        assert "also take the derivative of softmax?" in said(visit, "#question")
        assert visit.read("document.querySelector('#question').getBoundingClientRect().bottom") < 100


def test_by_the_targets_the_chain_is_not_shown_as_one(visit):
    visit.click("#by-t")
    assert said(visit, "#by-what") == "∂L/∂t"
    assert "t is not computed from z" in said(visit, "#block-j .formula")
    arrows = "['#block-j', '#block-dz'].map(id => getComputedStyle(document.querySelector(id + ' h2 > i')).visibility)"
    assert visit.read(arrows) == ["hidden", "hidden"]
    visit.click("#by-p")
    assert said(visit, "#by-what") == "∂L/∂p"
    assert visit.read(arrows) == ["visible", "visible"]


def test_a_drawing_s_truth_is_the_network_s_answer_until_one_says_what_it_is(visit):
    visit.click("#block-names .cell[data-class='7'] input")
    visit.drag("#pad", SEVEN)
    predicted = visit.read("situation.predicted")
    assert visit.read("situation.label") == predicted
    assert "for now the true class" in said(visit, "#told")
    other = (predicted + 3) % 10
    visit.click(f"#digits [data-label='{other}']")
    assert visit.read("situation.label") == other
    visit.click("#wipe")
    assert visit.read("situation.label") == visit.read("page.images[state.image].label")


@pytest.mark.parametrize(
    ("typed", "batch", "told"),
    [
        ("0", 1, "1 … 4,096: 0 became 1."),
        ("-3", 1, "1 … 4,096: -3 became 1."),
        ("2.5", 3, "1 … 4,096: 2.5 became 3."),
        ("100000", 4096, "1 … 4,096: 100000 became 4096."),
        ("", 1, "1 … 4,096: none became 1."),
        ("128", 128, ""),
    ],
)
def test_a_batch_that_is_none_becomes_the_nearest_one(visit, typed, batch, told):
    box = "document.querySelector('#batch')"
    visit.browser.value(f"{box}.focus(); {box}.value = {json.dumps(typed)}; {box}.dispatchEvent(new Event('change'))")
    assert visit.read("state.batch") == batch or typed == "128"
    assert said(visit, "#notice").removeprefix("✗ N is a whole number, ") == told
    assert visit.read(f"{box}.value") == str(visit.read("state.batch"))
    assert visit.read(f"{box}.scrollWidth <= {box}.clientWidth")


@pytest.fixture
def phone(visit):
    resize(visit.browser, 400, 800, mobile=True)
    visit.open()
    yield visit
    resize(visit.browser, 1280, 720)


@pytest.mark.parametrize("slider", ["#block-z .cell[data-class='2'] input", "#gap", "#rate"])
def test_a_swipe_over_a_slider_scrolls_and_changes_nothing(phone, slider):
    before = phone.read("[state, situation.z]")
    phone.stroke(slider, [(20, 80), (20, 0), (22, -300), (24, -600)])
    phone.browser.wait("scrollY === window.before || (window.before = scrollY, false)")  # it rolls on for a while
    assert phone.read("[state, situation.z]") == before
    phone.stroke(slider, [(80, 80), (100, 82), (140, 82)])
    assert phone.read("[state, situation.z]") != before


def test_on_a_phone_the_table_comes_first_and_the_answer_is_in_sight(phone):
    tops = [phone.read(f"document.querySelector('{one}').getBoundingClientRect().top + scrollY") for one in
            ("h1", "#question", "#flow", ".left", "#ways")]  # fmt: skip
    assert tops == sorted(tops)
    for number in (3, 7):
        phone.click(f"#jumps button:nth-child({number})")
        top, bottom = phone.read(
            "(({top, bottom}) => [top, bottom])(document.querySelector('#answer').getBoundingClientRect())"
        )
        assert 0 <= top < bottom <= 800
        assert phone.read("document.querySelector('#bar').getBoundingClientRect().top") == 0
        assert phone.read("document.querySelector('#bar-way').selectedOptions[0].text === situation.way.title")
    phone.click("#bar-after")
    assert phone.read("state.point") == 8
    for _ in range(2):
        phone.click("#bar-before")
    assert phone.read("state.point") == 6
    small = phone.read(
        "[...document.querySelectorAll('#page button, #page input[type=range], #page label')]"
        ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
    )
    assert small == []


def test_on_a_phone_the_ways_stand_in_their_order(phone):
    script = (
        "[...document.querySelectorAll('#ways label')].map(e => e.getBoundingClientRect()).map(e => [e.top, e.left])"
    )
    places = phone.read(script)
    assert places == sorted(places)


def test_what_isn_t_computed_is_hatched_but_its_heading_is_readable(visit):
    visit.choose("fused")
    for block in ("dp", "j"):
        assert visit.read(f"getComputedStyle(document.querySelector('#block-{block}')).opacity") == "1"
        assert visit.read(f"document.querySelectorAll('#block-{block} .cell.missing').length") >= 10
    assert "not computed" in said(visit, "#block-j .formula")


def test_an_entry_of_j_that_is_pointed_at_says_what_it_adds(visit):
    label = visit.read("situation.label")
    visit.click(f"#block-j [data-row='{label}'][data-column='2']")
    product = visit.read(f"situation.found.dp[{label}] * situation.found.jacobian[{label}][2]")
    text = said(visit, "#block-j .formula")
    found = re.search(r" = (\S+) · (\S+) = (\S+)$", text.replace("−", "-"))
    one, other, result = map(float, found.groups())
    assert result == pytest.approx(product, abs=6e-5)
    assert one * other == pytest.approx(product, abs=6e-5)


def test_the_chart_s_axis_has_different_numbers_however_small_the_loss_is(visit):
    for gap in (4, 0, -3, -8, -15):
        visit.browser.value(f"setGap({gap})")
        visit.browser.wait("document.documentElement.dataset.ahead === (stateAsText(state, page) || 'start')")
        axis = visit.read("[...document.querySelectorAll('#chart text[text-anchor=end]')].map(e => e.textContent)")
        assert len(set(axis[:3])) == 3


def test_the_way_back_leads_to_the_situation_before_a_point(visit):
    visit.choose("posted_answer")
    visit.click("#jumps button:nth-child(10)")
    visit.browser.value("history.back()")
    visit.browser.wait("state.way === 'posted_answer' && state.point === 0")
    visit.click("#jumps button:nth-child(7)")
    visit.choose("fused")
    assert visit.read("state.point") == 0  # whose words are of another way
