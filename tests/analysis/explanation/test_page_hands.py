"""The page in a real browser: drawn on, dragged, asked for its points, linked to, printed, and shown by MLflow."""

import base64
import json
import re

import numpy as np
import pytest

from mnist_trainer.inference.preparation import as_mnist, as_scaled, as_scikit_digit
from tests.analysis.explanation.held import check_numbers, close, logits_by_numpy
from tests.analysis.explanation.visits import SEVEN, write_page

pytestmark = pytest.mark.long


def test_a_drawing_is_prepared_as_predict_prepares_a_picture(visit, network):
    visit.drag("#pad", SEVEN)
    assert len(visit.read("state.strokes")) == 1
    seen = as_mnist(visit.array("[...drawnPicture(state.strokes).values]").reshape(160, 160)).image
    np.testing.assert_array_equal(visit.array("[...situation.bytes]"), seen.ravel())
    assert 20 < np.count_nonzero(seen) < 400
    close(visit.array("situation.own"), logits_by_numpy(network, seen))
    check_numbers(visit, network)
    before = visit.array("situation.z")
    visit.open(visit.address())
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
    visit.stroke(slider, [(100, 80), (50, 80), (15, 80)])
    assert visit.array("situation.z")[2] < before[2]
    check_numbers(visit, network)
    visit.click("#reset")
    close(visit.array("situation.z"), before)


def test_the_pad_can_be_drawn_on_by_a_finger(visit):
    visit.stroke("#pad", SEVEN)
    (stroke,) = visit.read("state.strokes")
    np.testing.assert_allclose(np.reshape(stroke, (-1, 2)), SEVEN, atol=1)


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
        assert visit.height() <= 720
        state = visit.read("state")
        visit.open(visit.address())
        assert visit.read("state") == state


@pytest.mark.parametrize(
    "state",
    [
        "",
        "loss=posted_answer",
        "point=10&loss=textbook&float=32",
        "z=1.123456789,2.123456789,3.123456789,1.123456789,2.123456789,3.123456789,1,2,3,1",
    ],
)
def test_it_prints_on_two_pages_whatever_it_shows(visit, state):
    visit.open(state)
    for paper in ({}, {"paperWidth": 8.27, "paperHeight": 11.69}):
        pdf = base64.b64decode(visit.browser.ask("Page.printToPDF", printBackground=True, **paper)["data"])
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 2
    assert visit.said("#on-paper").startswith("N = 1, float")
    assert visit.said("#on-paper").endswith(
        "#" + visit.read("stateAsText(state, page)") if state else "gap " + visit.read("number(situation.gap, 1)")
    )


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


TELL = """<script>
const tell = () => {
  const {left, top, width, height} = $("copy").getBoundingClientRect();
  parent.postMessage([state.way, left + width / 2, top + height / 2, $("notice").innerText], "*");
};
change({way: "posted_answer"});
tell();
$("copy").addEventListener("click", async () => {
  while ($("notice").innerText === "") await new Promise(resolve => setTimeout(resolve, 20));
  tell();
});
</script>"""


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
        const place = document.querySelector("iframe").getBoundingClientRect();
        </script>"""
    )
    browser.open(f"file://{frame}")
    browser.wait("said !== null")
    assert browser.value("said[0]") == "posted_answer"
    x, y = browser.value("(({left, top}) => [left + said[1] + 2, top + said[2] + 2])(place)")
    for kind in ("mousePressed", "mouseReleased"):
        browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    browser.wait("said[3] !== ''")
    assert "part that begins with #" in browser.value("said[3]")
