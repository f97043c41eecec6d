"""What a lecture is made of: plain records that the terminal and Markdown both write down."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.subject import Floats

Tone: TypeAlias = Literal["", "tiny", "true", "wins", "diagonal", "right", "wrong"]

MOST_COLUMNS = 10
ROUNDING = 8 * float(np.finfo(np.float64).eps)
BY_DIFFERENCES = 1e-8  # what central differences of step 1e-5 are good for in float64


@dataclass(frozen=True)
class Cell:
    """An entry of a table, and what it is beside its text."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells below one or two rows of heads, all of one length; the first column is of names."""

    heads: Sequence[Sequence[Cell]]
    rows: Sequence[Sequence[Cell]]
    name_width: int = 0  # at least; so that the columns of several tables stand one below the other
    cell_width: int = 0


@dataclass(frozen=True)
class Drawing:
    """A picture (height, width) of bytes, and the paragraphs beside it."""

    image: NDArray[np.uint8]
    paragraphs: Sequence[str]


@dataclass(frozen=True)
class Formula:
    """One line of mathematics."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines of Python."""

    text: str


@dataclass(frozen=True)
class Equality:
    """Whether two things are equal, and what was measured."""

    holds: bool
    text: str
    word: str = ""  # instead of equal, or not equal

    @property
    def says(self) -> str:
        """The verdict in a word or two."""
        return self.word or ("equal" if self.holds else "NOT equal")


@dataclass(frozen=True)
class Reply:
    """Somebody's words, whether they are right (None: a question), and the answer."""

    who: str
    quote: str
    right: bool | None
    answer: str


Block: TypeAlias = str | Table | Drawing | Formula | Code | Equality | Reply


@dataclass(frozen=True)
class Section:
    """A section of the lecture, which calls it a step; `code` stands between backticks."""

    title: str
    blocks: Sequence[Block]


def shown_classes(explanation: Explanation) -> list[int]:
    """Return the classes that get a column: all, or the most probable ones and the true one."""
    by_probability = np.argsort(-explanation.p, kind="stable")
    others = [int(i) for i in by_probability if i != explanation.subject.label]
    return sorted([explanation.subject.label, *others[: MOST_COLUMNS - 1]])


def short_names(explanation: Explanation) -> list[str]:
    """Return all classes' names as they fit a column: their numbers if a name is long."""
    names = explanation.subject.class_names
    return list(names) if max(map(len, names)) <= 6 else [str(i) for i in range(len(names))]


def class_table(explanation: Explanation, rows: Iterable[tuple[str, Sequence[Cell], Cell]]) -> Table:
    """Lay rows of (name, a cell for each of all classes, the sum) out in columns, a column a class."""
    shown = shown_classes(explanation)
    names = short_names(explanation)
    marks: list[Cell] = []
    heads: list[Cell] = []
    for i in shown:
        mark, tone = marked(explanation, i)
        heads.append(Cell(names[i], tone))
        marks.append(Cell(mark, tone))
    rows = list(rows)
    summed = any(total.text for _, _, total in rows)
    return Table(
        heads=[[Cell("class"), *heads, *[Cell("sum")] * summed], [Cell(""), *marks, *[Cell("")] * summed]],
        rows=[[Cell(name), *(cells[i] for i in shown), *[total] * summed] for name, cells, total in rows],
        name_width=10,
        cell_width=7,
    )


def marked(explanation: Explanation, index: int) -> tuple[str, Tone]:
    """Return what stands under a class's name."""
    if index == explanation.subject.label:
        return ("both" if index == explanation.predicted else "true"), "true"
    return ("wins", "wins") if index == explanation.predicted else ("", "")


def vector(name: str, values: Floats, *, signed: bool = True, decimals: int = 4) -> tuple[str, list[Cell], Cell]:
    """Make a row of a class table from a vector (C,)."""
    return name, [entry(value, signed=signed, decimals=decimals) for value in values], total(values, signed=signed)


def judged(name: str, values: Floats, right: Floats) -> tuple[str, list[Cell], Cell]:
    """Make a row of a class table whose entries are right or wrong."""
    same = np.isclose(values, right, rtol=1e-9, atol=0)
    cells = [Cell(number(value), "right" if ok else "wrong") for value, ok in zip(values, same, strict=True)]
    sums_to_zero = abs(float(values.sum())) <= ROUNDING * len(values)
    return name, cells, Cell(total(values).text, "right" if sums_to_zero else "wrong")


def entry(value: float, *, signed: bool = True, decimals: int = 4) -> Cell:
    """Make a cell of a number; one that would round to 0 steps back."""
    return Cell(number(value, signed=signed, decimals=decimals), "tiny" if abs(value) < 5e-5 else "")


def total(values: Floats, *, signed: bool = True) -> Cell:
    """Make the cell of a sum; what is 0 but for rounding is written as 0."""
    value = float(values.sum())
    return Cell("0.0000" if abs(value) <= ROUNDING * len(values) else number(value, signed=signed))


def number(value: float, *, signed: bool = True, decimals: int = 4) -> str:
    """Write a number in at most seven characters: `decimals` of them if they fit, the order of a tiny one, 0 as 0."""
    if value == 0:
        return "0"
    size = abs(value)
    if not 0.5 * 10**-decimals <= size < 9999.5:
        text = f"{size:.0e}"
    else:
        text = f"{size:.{min(decimals, 4 - len(str(int(size))) + 1)}f}"
    return ("−" if value < 0 else "+" if signed else "") + text


def order(difference: float) -> str:
    """Write the order of a difference: 6e-17; 0 as 0."""
    return f"{difference:.0e}" if difference else "0"


def equality(difference: float, bound: float, text: str) -> Equality:
    """Say whether two things are equal up to a bound, and their largest difference."""
    return Equality(difference <= bound, f"{text} (largest difference {order(difference)})")


def amount(size: int) -> str:
    """Write a number of bytes: 10,240 bytes; 1.3 MB; 13 GB."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size:,} bytes"


def name_of(explanation: Explanation, index: int | None = None) -> str:
    """Return a class's name, for a formula; without an index the true one's."""
    return explanation.subject.class_names[explanation.subject.label if index is None else index]
