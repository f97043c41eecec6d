"""The lecture, which is Markdown, on a terminal and in HTML; and its figure."""

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

from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.writing import VISIBLE, short_names, shown_classes

WIDEST = 80


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


def lecture_html(text: str) -> str:
    """Return Markdown as a part of a page."""
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("fence", fenced_html)
    return str(markdown.render(text))


def fenced_html(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Write code, or a formula with its indices below and its exponents above the line."""
    text = escape(tokens[index].content.rstrip("\n"), quote=False)
    if not tokens[index].info.endswith("formula"):
        return f"<pre>{text}</pre>\n"
    text = re.sub(r"_([a-z]+)", r"<sub>\1</sub>", re.sub(r"\^(\w+)", r"<sup>\1</sup>", text))
    return f'<p class="formula">{text}</p>\n'


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
