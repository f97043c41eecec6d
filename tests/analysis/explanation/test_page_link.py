"""A link to a situation: copied, complete to the last bit, and told where it can't be followed to the letter."""

import itertools
import json

import numpy as np
import pytest

from tests.analysis.explanation.held import check_numbers
from tests.analysis.explanation.visits import SEVEN, resize

pytestmark = pytest.mark.long

HELD = "JSON.stringify([situation.z, situation.found, situation.truth, state])"


@pytest.fixture
def clipboard(visit):
    """What was copied."""
    visit.browser.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    visit.browser.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    def read():
        answer = visit.browser.ask(
            "Runtime.evaluate", expression="navigator.clipboard.readText()", awaitPromise=True, returnByValue=True
        )
        return answer["result"]["value"]

    yield read
    visit.browser.ask("Emulation.setFocusEmulationEnabled", enabled=False)
    visit.browser.ask("Browser.resetPermissions")


@pytest.mark.parametrize("how", ["by mouse", "by keys", "without the clipboard's leave"])
def test_a_link_is_copied_and_leads_to_the_very_situation(visit, clipboard, how):
    visit.choose("textbook")
    visit.browser.value("change({bits: 32}); setGap(91)")
    if how == "by keys":
        visit.browser.value("document.querySelector('#copy').focus()")
        visit.key("Enter", "\r")
    else:
        if how != "by mouse":
            visit.browser.value("navigator.clipboard.writeText = () => Promise.reject(new Error('no leave'))")
        visit.click("#copy")
    visit.browser.wait("document.querySelector('#notice').innerText !== ''")
    assert visit.said("#notice").startswith("Link copied. It leads to the file on this computer")
    assert visit.read("document.querySelector('#notice').getAttribute('role')") == "status"
    assert visit.read("document.activeElement.id") == "copy"
    link = clipboard()
    assert link == f"file://{visit.path}#{visit.address()}"
    held = visit.read(HELD)
    visit.open(link.partition("#")[2])
    assert visit.read(HELD) == held
    assert visit.said("#notice") == ""


def test_where_nothing_can_be_copied_the_link_lies_ready_to_be_taken(visit):
    visit.browser.value("document.execCommand = () => false")
    visit.browser.value("navigator.clipboard.writeText = () => Promise.reject('no')")
    visit.click("#copy")
    visit.browser.wait("document.querySelector('#notice input') !== null")
    assert "Take the link yourself" in visit.said("#notice")
    assert visit.read("document.activeElement.parentElement.id") == "notice"
    assert visit.read("getSelection().toString() || document.activeElement.value") == f"file://{visit.path}#"
    visit.choose("fused")
    assert visit.said("#notice") == ""  # it was of another situation


@pytest.mark.parametrize(
    ("place", "link", "said"),
    [
        ("https://school.example/a/explanation.html#N=3", "https://school.example/a/explanation.html#N=2", "It opens"),
        ("blob:https://mlflow.example/0-1", "#N=2", "another one’s frame"),
        ("about:srcdoc", "#N=2", "another one’s frame"),
    ],
)
def test_a_link_from_elsewhere_is_one_that_works_there_or_says_how(visit, place, link, said):
    protocol = place.partition(":")[0] + ":"
    found = visit.read(f"linkTo('N=2', {json.dumps({'protocol': protocol, 'href': place})})")
    assert found["link"] == link
    assert said in found["note"]


def test_every_number_comes_back_to_the_last_bit(visit):
    rng = np.random.default_rng(3)
    for number in range(30):
        scale = (1e-9, 1, 30, 1e4, 1e8)[number % 5]
        patch = {
            "z": (scale * rng.standard_normal(10)).tolist(),
            "rate": float(10 ** rng.uniform(-8, 8)),
            "batch": int(rng.integers(1, 4097)),
            "bits": int(rng.choice([32, 64])),
            "unshifted": bool(rng.random() < 0.3),
            "label": int(rng.integers(10)),
        }
        visit.browser.value(f"change({json.dumps(patch)})")
        held = visit.read(HELD)
        visit.open(visit.address())
        assert visit.read(HELD) == held
        assert visit.said("#notice") == ""


@pytest.mark.parametrize("on", ["logits", "weights"])
def test_a_situation_after_steps_comes_back_and_steps_end_before_they_diverge(visit, on):
    visit.drag("#pad", SEVEN)
    visit.browser.value(f"change({{on: '{on}', rate: 0.0123456789, way: 'double_jacobian'}})")
    visit.browser.value("learn(10); learn(1); change({way: 'logits_for_p', rate: 1000})")
    visit.browser.value("for (let k = 0; k < 5; k++) learn(10)")
    assert any(word in visit.said("#taken") for word in ("then: diverges", "then: no gradient", "no finite gradient"))
    assert np.abs(visit.array("situation.z")).max() <= 1e9
    assert visit.read("errors") == []
    held = visit.read(HELD)
    visit.open(visit.address())
    assert visit.read(HELD) == held


def test_more_steps_than_a_link_holds_are_not_taken(visit):
    visit.browser.value("change({on: 'weights', rate: 1e-9}); change({learned: [{...stepOf(situation), times: 9998}]})")
    visit.browser.value("learn(10)")
    assert "2 steps" in visit.said("#taken")
    assert "a link holds 10,000 steps" in visit.said("#taken")
    visit.browser.value("learn(10)")
    assert "not a step; a link holds 10,000 steps" in visit.said("#taken")
    assert visit.read("stepsTaken(state.learned)") == 10_000


def test_the_address_is_that_of_the_end_of_a_long_drag(visit):
    visit.browser.value("for (let k = 0; k < 1500; k++) setGap(k / 20)")  # browsers take only some of so many
    assert visit.read("situation.gap") == pytest.approx(74.95, abs=1e-3)
    held = visit.read(HELD)
    visit.open(visit.address())
    assert visit.read(HELD) == held
    visit.choose("fused")
    visit.click("#jumps button:nth-child(7)")
    visit.browser.value("history.back()")
    visit.browser.wait("state.way === 'fused'")
    assert visit.read("situation.gap") == pytest.approx(74.95, abs=1e-3)


NONSENSE = {
    "z=1,2": ["z=1,2 (would fit: 10 numbers"],
    "z=1,2,3,4,5,6,7,8,9,nan": ["z=1,2,3"],
    "z=1,2,3,4,5,6,7,8,,9": ["z=1,2,3"],
    "z=1,2,3,4,5,6,7,8,9,1e99": ["none beyond 1e9"],
    "N=-3&loss=none": ["N=-3 (would fit: 1 … 4,096)", "loss=none (would fit: one of the ten ways)"],
    "row=x&float=16&true=99": ["row=x", "float=16 (would fit: 32 or 64)", "and 1 more"],
    "unshifted=yes&dt=2": ["unshifted=yes (would fit: 0 or 1)", "dt=2"],
    "learned=a*b": ["learned=a*b"],
    "image=1e9&drawn=zz!": ["image=1e9", "drawn=zz!"],
    "learned=separate*1*1*0*64*0*1*1.5": ["learned="],
    "learned=separate*1*1*0*64*0*1*99999999": ["10,000 at most"],
    "learned=separate*1*1*7*64*0*1*5": ["learned="],
    "learned=logits_for_p*999999*1*0*64*0*1*50": ["learned (these steps diverge)"],
    "drawn=zzzz0&rate=inf": ["drawn=zzzz0", "rate=inf (would fit: above 0"],
    "on=air&point=12": ["on=air", "point=12 (would fit: 1 … 11)"],
    "point=10&loss=fused": ["point=10 (which is about “textbook”, not “fused”)"],
    "row=4": ["row=4 (of N = 1 the last is 0)"],
    "on=weights&z=1,2,3,4,5,6,7,8,9,10": ["on=weights (a step on the weights needs the network’s own z"],
    "colour=%3Cimg src=x onerror=change({N:2})%3E": ["colour=<img src=x onerr… (no such key)"],
}


@pytest.mark.parametrize("state", NONSENSE)
def test_what_an_address_says_that_makes_no_sense_is_told(visit, network, state):
    visit.open(state)
    said = visit.said("#notice")
    assert said.startswith("✗ Left out of what the address says: ")
    for part in NONSENSE[state]:
        assert part in said
    assert visit.height() <= 720
    check_numbers(visit, network)
    visit.choose("homework")
    assert visit.said("#notice") == ""


def test_any_point_and_any_way_that_an_address_pairs_fit_on_the_screen(visit):
    ways = visit.read("WAYS.map(way => way.name)")
    for point, way, more in itertools.product(range(1, 12), ways, ("", "&float=32&N=10", "&unshifted=1&dt=1&N=128")):
        visit.browser.value(f"openAddress('point={point}&loss={way}{more}')")
        fits = visit.read(f"SITUATIONS[{point - 1}](situation.own, situation.label).way === '{way}'")
        assert visit.read("state.point") == (point if fits else 0)
        assert ("which is about" in visit.said("#notice")) == (not fits)
        assert visit.height() <= 720, (point, way, more)


def test_a_phone_has_room_for_what_is_told(visit):
    try:
        resize(visit.browser, 400, 800, mobile=True)
        visit.open("N=-3&loss=none&row=x&colour=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
        assert "and 2 more" in visit.said("#notice")
        assert visit.read("document.documentElement.scrollWidth") <= 400
    finally:
        resize(visit.browser, 1280, 720)
