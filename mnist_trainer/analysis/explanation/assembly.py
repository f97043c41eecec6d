"""The page that one can work on, `explanation.html`: the files of `page/`, the lecture and the data, in one file."""

import json
import re
from html import escape
from importlib.resources import files

from markdown_it import MarkdownIt

from mnist_trainer.analysis.explanation.answers import CORRECTED, CORRECTION, RAISED, SOURCE, points
from mnist_trainer.analysis.explanation.carried import Carried
from mnist_trainer.analysis.explanation.handout import lecture_html
from mnist_trainer.analysis.explanation.lecture import TITLE, lecture
from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.writing import code_block

SCRIPTS = (
    *("numbers", "ways", "arithmetic", "planes", "preparation", "pad", "network", "learning", "situation"),
    *("verdict", "points", "state", "address", "elements", "matrix", "view", "program"),
    *("fingers", "panels", "link", "controls", "main"),
)
"""In the order in which one reads them: each uses what those before it define."""


def explanation_page(e: Explanation, carried: Carried) -> str:
    """Return the page, which needs nothing else."""
    inline = MarkdownIt("commonmark").renderInline
    quoted = [{"sign": sign.rstrip(":"), "quote": inline(quote)} for sign, quote, _ in points(e)]
    parts = {
        "title": escape(TITLE),
        "style": page_file("style.css") + page_file("forms.css"),
        "source": lecture_html("\n\n".join([CORRECTION, code_block(CORRECTED), RAISED, SOURCE])),
        "lecture": lecture_html(lecture(e)),
        "image": escape(f"test image {e.subject.index} of {e.subject.data}"),
        "network": inline(e.subject.network),
        "carried": escape(carried.said, quote=False),
        "data": json.dumps({**carried.data, "points": quoted}, ensure_ascii=False).replace("<", "\\u003c"),
        "scripts": "\n".join(f"<script>\n{page_file(f'{name}.js')}</script>" for name in SCRIPTS),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page_file("page.html"))


def page_file(name: str) -> str:
    """Read one of the page's files."""
    return (files("mnist_trainer.analysis.explanation") / "page" / name).read_text(encoding="utf-8")
