"""The lecture on a terminal: in colour where there is colour, and in signs and words everywhere."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from mnist_trainer.analysis.explanation.blocks import (
    Block,
    Cell,
    Code,
    Drawing,
    Equality,
    Formula,
    Reply,
    Section,
    Table,
    Tone,
)

WIDEST = 116
MOST_PIXELS = 32
STYLES: dict[Tone, str] = {
    "": "",
    "tiny": "dim",
    "true": "bold cyan",
    "wins": "bold yellow",
    "diagonal": "bold magenta",
    "right": "green",
    "wrong": "bold red",
}
SIGNS: dict[Tone, str] = {"diagonal": "*", "right": "✓", "wrong": "✗"}


def print_lecture(console: Console, title: str, introduction: str, steps: Sequence[Section]) -> None:
    """Print all steps."""
    width = min(console.width, WIDEST)
    plain = console.no_color or console.color_system is None
    lines = [Text(), Text(title, "bold"), *wrapped(prose(introduction, plain=plain), console, width)]
    for index, step in enumerate(steps, start=1):
        rule = "─" * max(width - len(step.title) - len(str(index)) - 5, 0)
        lines += [Text(), Text.assemble("── ", (f"{index} {step.title}", "bold"), f" {rule}")]
        body = [line for block in step.blocks for line in render(block, console, width - 2, plain=plain)]
        while body and not body[-1].plain.strip():
            body.pop()
        lines += [Text("  ").append_text(line) for line in body]
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True)


def render(block: Block, console: Console, width: int, *, plain: bool) -> list[Text]:
    """Return the lines of a block, none longer than `width` but where it can't be broken."""
    match block:
        case Table():
            return [Text(), *table_lines(block, width), Text()]
        case Drawing():
            return drawing(block, console, width, plain=plain)
        case Formula(text):
            return [Text(f"    {text}", "bold")]
        case Code(text):
            return [Text(), *(Text(f"    {line}", "cyan") for line in text.splitlines()), Text()]
        case Equality(holds=holds, text=text):
            style = "bold green" if holds else "bold red"
            said = Text.assemble((f"{'✓' if holds else '✗'} {block.says}: ", style), prose(text, plain=plain))
            return wrapped(said, console, width)
        case Reply(who, quote, right, answer):
            signs = {None: ("? asked", "bold yellow"), True: ("✓ right", "bold green"), False: ("✗ wrong", "bold red")}
            said = Text.assemble(signs[right], f"  {who}: ", (f"“{quote}”", "italic"))
            return [*wrapped(said, console, width), *wrapped(prose(answer, plain=plain), console, width), Text()]
        case _:
            return wrapped(prose(block, plain=plain), console, width)


def wrapped(text: Text, console: Console, width: int) -> list[Text]:
    """Return a paragraph's lines."""
    return list(text.wrap(console, width))


def prose(text: str, *, plain: bool) -> Text:
    """Return a paragraph; what stands between backticks is set off, without colour by these."""
    if plain:
        return Text(text)
    return Text.assemble(*((part, "cyan" if i % 2 else "") for i, part in enumerate(text.split("`"))))


def table_lines(table: Table, width: int) -> list[Text]:
    """Return the lines of a table; columns that don't fit beside the others come below, with the names again."""
    everything = [*table.heads, *table.rows]
    least = [table.name_width, *[table.cell_width] * (len(everything[0]) - 1)]
    widths = [max(low, *(len(row[column].text) for row in everything)) for column, low in enumerate(least)]
    marked = table.cell_width > 0 or any(cell.tone in SIGNS for row in everything for cell in row)
    roomy, tight = (2, 1) if not marked else (1, 0)
    needed = {gap: widths[0] + sum(each + marked + gap for each in widths[1:]) for gap in (roomy, tight)}
    fits = needed[tight] <= width
    gap = tight if needed[tight] <= width < needed[roomy] else roomy
    columns = range(1, len(widths))
    at_once = max(1, (width - widths[0]) // max(widths[column] + marked + gap for column in columns))
    at_once = -(-len(columns) // -(-len(columns) // at_once)) if not fits else len(columns)
    lines: list[Text] = []
    for start in range(0, len(columns), at_once):
        chosen = [0, *columns[start : start + at_once]]
        lines += [Text()] if lines else []
        lines += [table_line(row, chosen, widths, " " * gap, marked=marked) for row in everything]
    return lines


def table_line(row: Sequence[Cell], columns: Sequence[int], widths: Sequence[int], gap: str, *, marked: bool) -> Text:
    """Return a row's cells of some columns; words to the left, numbers to the right."""
    line = Text(no_wrap=True, overflow="ignore")
    for column in columns:
        cell = row[column]
        sign = SIGNS.get(cell.tone, " " if marked else "")
        if column == 0:
            line.append(f"{cell.text:<{widths[0]}}")
        else:
            line.append(gap).append(f"{cell.text:>{widths[column]}}{sign}", STYLES[cell.tone])
    return line


def drawing(block: Drawing, console: Console, width: int, *, plain: bool) -> list[Text]:
    """Return the image, and its paragraphs at its side if there is room."""
    picture = half_blocks(block.image, plain=plain)
    beside = width - len(picture[0]) - 3
    if beside < 40:
        beside = width
    words: list[Text] = []
    for text in block.paragraphs:
        words += [*wrapped(prose(text, plain=plain), console, beside), Text()]
    if beside == width:
        return [*picture, Text(), *words]
    blank = " " * len(picture[0])
    pairs = zip_longest(picture, words)
    return [(left or Text(blank)).append("   ").append_text(right or Text()) for left, right in pairs]


def half_blocks(image: NDArray[np.uint8], *, plain: bool) -> list[Text]:
    """Draw two rows of pixels in a line: in shades, or, without colour, what is brighter than half the brightest."""
    step = -(-max(image.shape) // MOST_PIXELS)
    pixels = image[::step, ::step]
    pixels = np.pad(pixels, ((0, len(pixels) % 2), (0, 0)))
    bright = pixels > max(int(pixels.max()) // 2, 1)
    lines = []
    for y in range(0, len(pixels), 2):
        line = Text(no_wrap=True)
        for x in range(pixels.shape[1]):
            if plain:
                line.append(" ▀▄█"[bright[y, x] + 2 * bright[y + 1, x]])
            else:
                upper, lower = (f"rgb({v},{v},{v})" for v in pixels[y : y + 2, x])
                line.append("▀", f"{upper} on {lower}")
        lines.append(line)
    return lines
