"""A browser, a network and its page, for the tests of the page."""

import pytest

from tests.analysis.explanation.visits import Visit, resize, taught, write_page
from tests.browser import BROWSERS, browsing, installed

WATCH = """
window.errors = [];
addEventListener("error", event => errors.push(event.message));
addEventListener("unhandledrejection", event => errors.push(String(event.reason)));
console.error = console.warn = (...words) => errors.push(words.join(" "));
"""


@pytest.fixture(scope="module")
def browser():
    program = installed()
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is in the PATH")
    with browsing(program) as one:
        one.ask("Page.enable")
        one.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        resize(one, 1280, 720)
        yield one


@pytest.fixture(scope="module")
def network():
    return taught()


@pytest.fixture
def visit(browser, network, tmp_path):
    made = Visit(browser, write_page(network, tmp_path))
    yield made
    assert made.read("errors") == []
