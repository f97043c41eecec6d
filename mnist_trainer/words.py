"""Tables and numbers in Markdown that reads well on a terminal, too."""

import math
from collections.abc import Sequence
from pathlib import Path


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


def form_for(size: float, least: int) -> str:
    """Return the format that shows two digits of a number of this size, and at least so many decimals."""
    if size == 0 or not math.isfinite(size):
        return f".{least}f"
    decimals = 1 - math.floor(math.log10(size))
    return ".1e" if decimals > 6 else f".{max(least, decimals)}f"


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


def counted(count: int, what: str = "update") -> str:
    """Write `1 update`, `4,300 updates`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
