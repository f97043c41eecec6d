"""The page's sliders hold still under a finger, and what a step on the weights drops is said before and after."""

import pytest

from tests.analysis.explanation.visits import Visit, taught, write_page

pytestmark = pytest.mark.long

KNOBS = """[...document.querySelectorAll('#block-z .cell[data-class] input')].map(
    each => (each.value - each.min) / (each.max - each.min))"""
FOOT = "#block-z .foot"


def test_no_knob_moves_but_the_one_that_is_dragged_while_it_is_and_after(visit):
    for points in ([(80, 80), (110, 80)], [(110, 80), (60, 80)], [(60, 80), (70, 80)]):
        before = visit.array(KNOBS)
        visit.drag("#block-z .cell[data-class='2'] input", points)
        visit.browser.wait("!held")
        after = visit.array(KNOBS)
        assert after[2] != before[2]
        assert after.tolist() == [*before[:2], after[2], *before[3:]]


def test_the_scale_stays_while_the_gap_is_dragged_and_has_room_for_it_afterwards(visit):
    scale = visit.said(FOOT)
    left, top, width, height = visit.box("#gap")
    visit.mouse("mousePressed", left + width * 0.15, top + height / 2)
    others = visit.array(KNOBS).tolist()
    label = visit.read("situation.label")
    for part in (0.3, 0.6, 0.95):
        visit.mouse("mouseMoved", left + width * part, top + height / 2)
        assert visit.read("held")
        assert visit.said(FOOT) == scale
        now = visit.array(KNOBS).tolist()
        assert now[:label] + now[label + 1 :] == others[:label] + others[label + 1 :]
    assert visit.read("situation.gap") > 100
    visit.mouse("mouseReleased", left + width * 0.95, top + height / 2)
    visit.browser.wait("!held")
    assert visit.said(FOOT) != scale
    assert visit.array(KNOBS).min() > 0
    visit.click("#gaps [data-gap='0']")
    assert visit.array(KNOBS).max() - visit.array(KNOBS).min() > 0.3  # they don't stay crowded


def test_a_finger_holds_them_still_likewise(visit):
    scale, box = visit.said(FOOT), visit.box("#block-z .cell[data-class='4'] input")

    end = visit.read("Number(document.querySelector('#block-z .cell input').max)")

    def touch(kind, *places):
        points = [{"x": box[0] + part * box[2], "y": box[1] + box[3] / 2} for part in places]
        visit.browser.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    touch("touchStart", 0.5)
    for part in (0.6, 0.8, 1.4):
        touch("touchMove", part)
        assert visit.said(FOOT) == scale
    assert visit.read("held")
    touch("touchEnd")
    visit.browser.wait("!held")
    assert visit.array("situation.z")[4] == end
    assert visit.said(FOOT) == scale  # the knob stays where the finger left it
    assert visit.array(KNOBS)[4] == 1


def test_keys_go_on_past_the_end_of_the_scale(visit):
    slider = "#block-z .cell[data-class='1'] input"
    visit.browser.value(f'document.querySelector("{slider}").focus()')
    before = visit.array("situation.z")[1]
    for _ in range(200):
        visit.key("ArrowRight")
    assert visit.array("situation.z")[1] == pytest.approx(before + 20, abs=0.2)
    assert 0 <= visit.array(KNOBS).min() < visit.array(KNOBS).max() < 1


def test_that_all_weights_drops_moved_logits_is_said_before_and_after(visit):
    assert visit.said("#taken") == ""
    visit.click("#gaps [data-gap='20']")
    assert "“all weights” would drop the moved z" in visit.said("#taken")
    visit.click("input[name=on][value=weights]")
    assert "dropped: the moved z" in visit.said("#taken")
    assert visit.read("state.z") is None
    visit.click("#step")
    assert "drop" not in visit.said("#taken")
    visit.click("#gaps [data-gap='20']")
    assert "steps are on z again, with rate 1" in visit.said("#taken")
    assert visit.read("[state.on, state.rate]") == ["logits", 1]


def test_where_there_are_no_weights_nothing_is_said_of_dropping(browser, tmp_path):
    entries = [{"kind": "conv2d", "filters": 2, "kernel": 5}, {"kind": "flatten"}, {"kind": "linear", "units": 10}]
    visit = Visit(browser, write_page(taught(entries=entries), tmp_path))
    visit.click("#gaps [data-gap='20']")
    assert visit.said("#taken") == ""
    visit.open("on=weights&learned=separate*1*1*0*64*0*1*5&drawn=1e0u2i0s&N=3")
    assert "no network" in visit.said("#notice")
    assert visit.read("[state.on, state.learned.length, state.strokes.length, state.batch]") == ["logits", 0, 0, 3]
    assert "weights were moved" not in visit.said("#told")
    assert visit.read("errors") == []


def test_what_doesn_t_step_says_whether_it_has_no_gradient_or_diverges(visit):
    visit.browser.value("change({way: 'logits_for_p', rate: 100}); setGap(20)")
    visit.browser.wait("document.documentElement.dataset.ahead === stateAsText(state, page)")
    assert "diverges at once" in visit.said("#courses tr.chosen")
    visit.browser.value("change({way: 'textbook', bits: 32}); setGap(104)")
    visit.browser.wait("document.documentElement.dataset.ahead === stateAsText(state, page)")
    assert "no gradient" in visit.said("#courses tr.chosen")
    assert "no finite gradient to apply" in visit.said("#taken")
