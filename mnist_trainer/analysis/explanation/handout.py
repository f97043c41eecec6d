"""The lecture, which is Markdown, on a terminal and as a page of HTML; and its figure."""

import base64
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import ClassVar

import numpy as np
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.text import Text

from mnist_trainer.analysis.explanation.lecture import TITLE
from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.writing import VISIBLE, short_names, shown_classes

WIDEST = 80
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 17px/1.5 Georgia, serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #111; }}
h1, h2 {{ font-family: sans-serif; line-height: 1.2; break-after: avoid; }}
img {{ max-width: 100%; }}
pre, code {{ font: 0.85em/1.35 "DejaVu Sans Mono", Menlo, Consolas, monospace; background: #f4f4f4; }}
pre {{ padding: 0.6em; overflow-x: auto; break-inside: avoid; }}
table {{ border-collapse: collapse; margin: 1em 0; break-inside: avoid; }}
th, td {{ border-bottom: 1px solid #ccc; padding: 0.15em 0.9em 0.15em 0; text-align: left; }}
.formula {{ font-size: 1.15em; font-style: italic; text-align: center; white-space: pre-wrap; break-inside: avoid; }}
@media print {{ body {{ margin: 0; max-width: none; font-size: 10pt; }} }}
</style>
{body}
</html>
"""


class CodeLines(CodeBlock):
    """A block of code as it stands, to be copied: nothing breaks its lines, or fills them up."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in str(self.text).rstrip("\n").split("\n"):
            yield Text(f"  {line}", style="" if self.lexer_name == "text" else "cyan", no_wrap=True, overflow="ignore")


class LeftHeading(Heading):
    """A heading where the text begins."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text()
        self.text.justify, self.text.style = "left", "bold"
        yield self.text


class TerminalPage(Markdown):
    """Markdown on a terminal."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": CodeLines,
        "heading_open": LeftHeading,
    }


def print_markdown(console: Console, text: str) -> None:
    """Print Markdown, its lines without the blanks at their ends."""
    with console.capture() as page:
        console.print(TerminalPage(text, hyperlinks=False), width=min(console.width, WIDEST), crop=False)
    for line in page.get().splitlines():
        console.file.write(re.sub(r"[ ]+((\x1b\[[0-9;]*m)*)$", r"\1", line) + "\n")


def handout_html(text: str) -> str:
    """Return a page that needs nothing else, of Markdown whose picture is a `picture_link`."""
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("fence", fenced_html)
    return PAGE.format(title=TITLE, body=markdown.render(text))


def fenced_html(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Write code, or a formula with its indices below and its exponents above the line."""
    text = escape(tokens[index].content.rstrip("\n"), quote=False)
    if not tokens[index].info.endswith("formula"):
        return f"<pre>{text}</pre>\n"
    text = re.sub(r"_([a-z]+)", r"<sub>\1</sub>", re.sub(r"\^(\w+)", r"<sup>\1</sup>", text))
    return f'<p class="formula">{text}</p>\n'


def picture_link(path: Path) -> str:
    """Return a picture as an address that holds all of it."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def draw_explanation(e: Explanation, path: Path) -> None:
    """Draw the figure to `path`; only what is drawn needs matplotlib."""
    from mnist_trainer.figures.explanation import ExplanationNumbers, explanation_picture

    shown, names, subject = shown_classes(e), short_names(e), e.subject
    explanation_picture(
        ExplanationNumbers(
            image=subject.image,
            title=f"{subject.data}, test image {subject.index}",
            names=[names[i] for i in shown],
            true=shown.index(subject.label),
            predicted=shown.index(e.predicted),
            label=subject.class_names[subject.label],
            taken_for=subject.class_names[e.predicted],
            logits=subject.logits[shown],
            p=e.p[shown],
            dp=e.dp[shown],
            jacobian=e.jacobian[np.ix_(shown, shown)],
            product=e.product[shown],
            p_minus_t=e.p_minus_t[shown],
            posted=e.posted[shown],
            diagonal=e.diagonal[shown],
            visible=VISIBLE,
        ),
        path,
    )
