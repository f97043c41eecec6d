"""What is printed: tables and numbers in Markdown that reads well on a terminal, and commands that can be pasted."""

import math
import re
import shlex
import sys
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

BLOCK_CHARACTERS = 64


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table whose columns are aligned, so that it reads well on a terminal too."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, *rows]
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def plus_minus(value: tuple[float, float], form: str) -> str:
    """Write mean ± deviation, without the latter where there is none."""
    mean, deviation = value
    return f"{mean:{form}}" + ("" if math.isnan(deviation) else f" ± {deviation:{form}}")


def number_format_for(size: float, least: int) -> str:
    """Return the format that shows two digits of a number of this size, and at least so many decimals."""
    if size == 0 or not math.isfinite(size):
        return f".{least}f"
    decimals = 1 - math.floor(math.log10(size))
    return ".1e" if decimals > 6 else f".{max(least, decimals)}f"


def at_most(value: float, form: str) -> str:
    """Write a bound, rounded up to the digits that a format (e, f or g) shows: what was at most this is so as read."""
    text = f"{value:{form}}"
    if not float(text) < value:
        return text
    digits = Decimal(f"{value:#{form}}")
    unit = Decimal((0, (1,), int(digits.as_tuple().exponent)))  # of the last digit
    return f"{float(digits + unit):{form}}"


def number(value: float, form: str) -> str:
    """Write a number with a true minus."""
    return f"{value:{form}}".replace("-", "−")


def signed(value: float, form: str) -> str:
    """Write a difference with its sign, + or a true minus; none if it shows as 0."""
    text = number(value, f"+{form}")
    return text if any(digit in text.partition("e")[0] for digit in "123456789") else text[1:]


def shown(path: Path) -> str:
    """Return a path as a user would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def counted_in_words(count: int, what: str = "update") -> str:
    """Write `1 update`, `4,300 updates`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


WIDTH = 80  # columns of a terminal
GLUE = "\ue000"  # a private sign: no text has it


def wrapped(text: str, first: str = "") -> str:
    """Break what is printed at its blanks into lines of 80 columns, the next ones indented; not where it is glued."""
    lines = textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(GLUE, " ")


def glued_words(text: str) -> str:
    """Let nothing break a text's line (`wrapped`)."""
    return text.replace(" ", GLUE)


def batches_in_words(size: int, samples: int) -> str:
    """Write `batches of 128`; `batches of up to 128` where the last one of so many samples is smaller."""
    return f"batches of {'up to ' if samples % size else ''}{size}"


def command(module: str, *arguments: str) -> str:
    """Return what runs a module from this directory, with the Python that runs this, as a shell takes it."""
    python = sys.executable
    if Path(python).is_relative_to(Path.cwd()):
        python = str(Path(python).relative_to(Path.cwd()))
        python = python if "/" in python else f"./{python}"  # a shell looks for a bare word in the PATH
    return shlex.join([python, "-m", module, *arguments])


def markdown_code_block(why: str, words: Sequence[str]) -> str:
    """Write a command to be copied, in Markdown, over lines that fit beside what a page has at its right."""
    lines = [""]
    for word in map(shlex.quote, words):
        if lines[-1].strip() and len(lines[-1]) + len(word) >= BLOCK_CHARACTERS:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    joined = " \\\n".join(lines)
    return f"{why}:\n\n```\n{joined}\n```"


def given(key: str, value: object) -> str:
    """Return the override that gives a key this value, as Hydra's grammar takes it; a shell's quotes come on top."""
    return f"{key}={quoted(str(value))}"


def quoted(text: str) -> str:
    """Return a text as Hydra reads it whole: as it stands where that is plain, else in quotes.

    In quotes, a backslash is itself, but before a quote and at the end; `${` would be an interpolation.
    """
    if re.fullmatch(r"[a-zA-Z./][\w./-]*", text, re.ASCII) and text.lower() not in (
        "null",
        "true",
        "false",
        "nan",
        "inf",
    ):
        return text
    escaped = re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    escaped = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", escaped)
    return f"'{escaped}'"


def folder_name(name: str) -> str:
    """Return a run's name as a folder is called: letters, digits, dots and dashes, which need no quotes anywhere."""
    return re.sub(r"[^a-zA-Z0-9.]+", "-", name).strip("-.") or "run"
