"""What the lecture's sections are written with: numbers for people, and the few forms of a line, in Markdown."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.words import at_most, table

ROUNDING = 8 * float(np.finfo(np.float64).eps)
BY_DIFFERENCES = 1e-8  # what central differences of step 1e-5 are good for in float64
MOST_CLASSES = 10  # that are shown
WIDTH = 76  # of what can't be wrapped: 80 columns, with a margin
MOST_CHARACTERS = 12  # of a number
VISIBLE = 5e-5  # what doesn't round to 0 with four decimals
SEEN_FROM = f"{VISIBLE:.5f}"

Sections = dict[str, list[str]]
"""A title, and its paragraphs; a paragraph may have several lines, as a table or code has."""


def number(value: float, *, signed: bool = True, decimals: int = 4) -> str:
    """Write a number in at most seven characters: `decimals` of them if they fit, the order of a tiny one, 0 as 0."""
    if value == 0:
        return "0"
    text = f"{abs(value):{form_of(abs(value), decimals)}}"
    return ("−" if value < 0 else "+" if signed else "") + text


def form_of(size: float, decimals: int = 4) -> str:
    """Return the format of a number of this size, which isn't 0."""
    if not 0.5 * 10**-decimals <= size < 9999.5:
        return ".0e"
    return f".{min(decimals, 4 - len(str(int(size))) + 1)}f"


def plain(value: float) -> str:
    """Write a number without a plus sign."""
    return number(value, signed=False)


def up_to(size: float) -> str:
    """Say that something is at most so large, rounded up."""
    return f"up to {at_most(size, form_of(size)) if size else 0}"


def order_of_magnitude(difference: float) -> str:
    """Write the order of a difference: 6e-17; 0 as 0."""
    return f"{difference:.0e}" if difference else "0"


def to_within(difference: float, where: str = "") -> str:
    """Say how nearly something holds; `where` comes first."""
    return f"{where}to within {at_most(difference, '.0e')}" if difference else f"{where}to the last bit"


def factors_of(result: str, compute: Callable[..., str], *values: float) -> list[str]:
    """Write values with as few digits, four decimals at least, as a calculator needs to get a result as it is written.

    `compute` writes what it makes of the values; no text is longer than twelve characters.
    """
    texts = shortest = [number(value) for value in values]
    for digits in range(5, 12):
        if max(map(len, texts)) > MOST_CHARACTERS or compute(*map(number_as_read, texts)) == result:
            break
        texts = [f"{value:+.{digits}g}".replace("-", "−", int(value < 0)) for value in values]
    return texts if max(map(len, texts)) <= MOST_CHARACTERS else shortest


def product_by_hand(e: Explanation, j: int) -> str:
    """Write dL/dz_j as the product of dL/dp and an entry of J, at the true class y: dL/dp_y · J_yj."""
    result, y = number(e.product[j]), e.subject.label
    one, other = factors_of(result, lambda a, b: number(a * b), float(e.dp[y]), float(e.jacobian[y, j]))
    return f"({one}) · ({other}) ≈ {result}"


def probability_by_hand(e: Explanation, result: str, compute: Callable[[float], str]) -> str:
    """Write p of the true class, so that a calculator gets a result from it."""
    return factors_of(result, compute, float(e.p[e.subject.label]))[0].removeprefix("+")


def number_as_read(text: str) -> float:
    """Return the number that a reader sees."""
    return float(text.replace("−", "-"))


def times(factor: float) -> str:
    """Write a factor: 4.1; 5,572; over a million."""
    if not factor < 1e6:
        return "over a million"
    return f"{factor:,.1f}" if factor < 10 else f"{factor:,.0f}"


def memory_for_readers(size: int) -> str:
    """Write a number of bytes: 10,240 bytes; 1.3 MB; 13.0 GB."""
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size:,} bytes"


def equality(difference: float, bound: float, text: str) -> str:
    """Say whether two things are equal up to a bound, and their largest difference."""
    return claim(difference <= bound, f"{text} (largest difference {order_of_magnitude(difference)})")


def claim(holds: bool, text: str, word: str = "") -> str:
    """Say whether two things are equal, and what was measured."""
    return f"{'✓' if holds else '✗'} **{word or ('equal' if holds else 'NOT equal')}:** {text}"


def formula_block(*lines: str) -> str:
    """Set lines of mathematics apart."""
    return "\n".join(["```text formula", *lines, "```"])


def code_block(text: str, language: str = "python") -> str:
    """Set a program's lines, or what it prints, apart."""
    return "\n".join([f"```{language}", *text.rstrip("\n").splitlines(), "```"])


def wrapped_code(text: str, indent: str) -> str:
    """Break a line of mathematics or code at its blanks, where it is too long for a terminal."""
    return "\n".join(textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False))


def escaped(text: str) -> str:
    """Keep Markdown from reading a name's signs as its own."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|&#~!" else sign for sign in text)


def shown_classes(explanation: Explanation) -> list[int]:
    """Return the classes that are shown: all, or the most probable ones and the true one."""
    by_probability = np.argsort(-explanation.p, kind="stable")
    others = [int(i) for i in by_probability if i != explanation.subject.label]
    return sorted([explanation.subject.label, *others[: MOST_CLASSES - 1]])


def short_names(explanation: Explanation, longest: int = 5) -> list[str]:
    """Return all classes' names if they fit a narrow column, their numbers if not."""
    names = explanation.subject.class_names
    return list(names) if max(map(len, names)) <= longest else [str(i) for i in range(len(names))]


def class_table(explanation: Explanation, columns: Mapping[str, Sequence[str]]) -> str:
    """Lay out what is said of all classes, a line for each that is shown."""
    e, names = explanation, short_names(explanation, longest=20)
    label, winner = e.subject.label, e.predicted
    marks = {
        label: " (true, wins)" if winner == label else " (true)",
        **({winner: " (wins)"} if winner != label else {}),
    }
    rows = [[escaped(names[i]) + marks.get(i, ""), *(cells[i] for cells in columns.values())] for i in shown_classes(e)]
    return "\n".join(table(["class", *columns], rows))


def column(values: Sequence[float] | np.ndarray, *, signed: bool = True, decimals: int = 4) -> list[str]:
    """Write a number for every class."""
    return [number(float(value), signed=signed, decimals=decimals) for value in values]
