"""Where a loss of logits stops being finite in float32: log 0, above all, which float64 meets much later.

This is told apart from what is wrong in the mathematics: a loss may be right, and break where p underflows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from mnist_trainer.analysis.gradcheck.differences import Budget
from mnist_trainer.analysis.gradcheck.examiner import attempt_call
from mnist_trainer.analysis.reference import reference_softmax
from mnist_trainer.kernels.arrays import Array, Indices

Ask = Callable[[Array, Array | Indices], tuple[float, Array]]
"""Returns the loss of logits and targets, and its gradient."""
Rows = Literal["wrong", "right"]
Targets = Literal["class indices", "one-hot rows"]

INDICES: Targets = "class indices"
ROWS: Targets = "one-hot rows"

LEAST, MOST = 16, 1000
GAPS = sorted({int(gap) for gap in np.geomspace(LEAST, MOST, 40)})
PLACES: dict[Rows, str] = {
    "wrong": "between a true class and the largest one above it",
    "right": "between a true class that is the largest and another one",
}


@dataclass(frozen=True)
class BrokenAt:
    """From which gap between logits a loss, or its gradient, isn't finite, and what it is then."""

    what: str  # loss or gradient
    rows: Rows
    targets: str
    gap: int
    values: tuple[str, ...]  # of inf, -inf and nan
    underflow: bool  # a probability is 0 in float32 from this gap on
    always: bool  # at all larger gaps, too


def notes(node: str, ask: Ask, classes: int, budget: Budget, kinds: Sequence[Targets] = (INDICES, ROWS)) -> list[str]:
    """Say what is inf or nan in float32 at gaps from 16 to 1,000, with these kinds of targets."""
    found: list[BrokenAt] = []
    for rows in PLACES:
        for targets in kinds:
            found += broken(ask, rows, targets, classes, budget)
    return [f"{node}: {sentence}" for sentence in float32_sentences(found)]


def logits_with_gap(rows: Rows, gap: int, classes: int) -> Array:
    """Make a row with the true class, the first, a gap under or over the second; the others lie in the middle."""
    z = np.zeros((1, classes), np.float32)
    z[0, :2] = (-gap / 2, gap / 2) if rows == "wrong" else (gap / 2, -gap / 2)
    return z


def broken(ask: Ask, rows: Rows, targets: Targets, classes: int, budget: Budget) -> Iterator[BrokenAt]:
    """Find from which gap on the loss, and its gradient, are not finite."""
    labels: Indices = np.zeros(1, np.intp)
    wanted: Array | Indices = labels if targets == INDICES else np.eye(classes, dtype=np.float32)[labels]

    def asked(gap: int) -> tuple[str, ...]:
        answers = ask(logits_with_gap(rows, gap, classes), wanted)
        return tuple(inf_or_nan(np.asarray(answer, np.float64)) for answer in answers)

    def at(gap: int) -> tuple[str, ...]:
        found = "" if budget.spent else attempt_call(partial(asked, gap))
        return ("", "") if isinstance(found, str) else found  # what can't run is told elsewhere

    coarse = {gap: at(gap) for gap in GAPS}
    for index, what in enumerate(("loss", "gradient")):
        bad = [gap for gap in GAPS if coarse[gap][index]]
        if not bad:
            continue
        before = max((gap for gap in GAPS if gap < bad[0]), default=bad[0] - 1)
        first = next((gap for gap in range(before + 1, bad[0]) if at(gap)[index]), bad[0])
        values = tuple(sorted({at(first)[index], *(coarse[gap][index] for gap in bad)}))
        yield BrokenAt(
            what,
            rows,
            targets,
            first,
            values,
            underflow=vanishes_in_float32(rows, first, classes) and not vanishes_in_float32(rows, first - 1, classes),
            always=bad == GAPS[-len(bad) :],
        )


def vanishes_in_float32(rows: Rows, gap: int, classes: int) -> bool:
    """Whether a probability of these logits is 0 in float32."""
    return bool((reference_softmax(logits_with_gap(rows, gap, classes)) == 0).any())


def inf_or_nan(value: Array) -> str:
    """Return inf, -inf or nan if it, or any of it, is; else nothing."""
    bad = value[~np.isfinite(value)]
    return str(float(bad.flat[0])) if bad.size else ""


def float32_sentences(found: Sequence[BrokenAt]) -> Iterator[str]:
    """Say it, once for all kinds of targets at which it is the same."""
    alike: dict[BrokenAt, list[str]] = {}
    for one in found:
        alike.setdefault(replace(one, targets=""), []).append(one.targets)
    for one, targets in alike.items():
        when = f"from a gap of {one.gap} on" if one.always else f"at a gap of {one.gap}, and at some larger ones,"
        why = ", where a probability underflows to 0" if one.underflow else ""
        yield (
            f"in float32 the {one.what} is {' or '.join(one.values)} {when} {PLACES[one.rows]}, "
            f"with {' and with '.join(targets)}{why}"
        )
    if found and all(one.what == "loss" for one in found):
        yield f"its gradient is finite at all gaps tried, {LEAST} to {MOST:,}"
