"""What a check of gradients found: a row for each comparison, and the faults in words."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from textwrap import fill
from typing import Any, Literal

from mnist_trainer.words import table

Verdict = Literal["exact", "wrong", "can't run", "not checked", "not judged"]

SEVERITY: Sequence[Verdict] = ("not judged", "exact", "not checked", "wrong", "can't run")
WIDTH = 80  # of the words; the table's columns are as wide as they have to be
HEAD = ("what", "worst relative error", "where", "verdict")


@dataclass(frozen=True)
class Check:
    """One derivative, value or invariant against what it should be.

    `error` is the worst relative error, None where nothing was compared. "not checked" is what should have been and
    wasn't (time, kinks); "not judged" is what there is nothing to hold against, and makes nothing wrong.
    """

    node: str
    what: str
    verdict: Verdict
    error: float | None = None
    where: str = ""
    comparisons: int = 0

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row of a table, as `HEAD` says, under its node."""
        error = "" if self.error is None else "0" if self.error == 0 else f"{self.error:.1e}"
        return f"  {self.what}", error, self.where, self.verdict


@dataclass
class Findings:
    """The checks of a function, or of a whole configuration, what is wrong in words, and what else is to be known."""

    checks: list[Check] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, check: Check, fault: str | None = None) -> None:
        """Add a row, and in words what is wrong there."""
        self.checks.append(check)
        self.blame(fault)

    def blame(self, *faults: str | None) -> None:
        """Add what is wrong, unless it has been said before."""
        self.faults += dict.fromkeys(fault for fault in faults if fault and fault not in self.faults)

    def add(self, other: "Findings") -> bool:
        """Take in what another check found; return whether that is free of faults."""
        self.checks += other.checks
        self.blame(*other.faults)
        self.notes += dict.fromkeys(note for note in other.notes if note not in self.notes)
        return not other.faults

    @contextmanager
    def one_row(self, what: str) -> Iterator[None]:
        """Make one row of all that are added within the block."""
        before = len(self.checks)
        yield
        self.checks[before:] = [fold_checks(self.checks[before:], what)]

    @property
    def exact(self) -> bool:
        """Whether all that had to be checked was, and nothing is wrong."""
        return not self.wrong and not self.unchecked and any(check.verdict == "exact" for check in self.checks)

    @property
    def wrong(self) -> list[Check]:
        """The checks that failed, or couldn't run."""
        return [check for check in self.checks if check.verdict in ("wrong", "can't run")]

    @property
    def unchecked(self) -> list[Check]:
        """The checks that ought to have been made, and weren't."""
        return [check for check in self.checks if check.verdict == "not checked"]

    @property
    def comparisons(self) -> int:
        """How many numbers were compared."""
        return sum(check.comparisons for check in self.checks)

    @property
    def worst(self) -> float | None:
        """The worst relative error of all checks that were judged; None if nothing was compared."""
        errors = [check.error for check in self.checks if check.error is not None and check.verdict != "not judged"]
        return max(errors, key=lambda error: math.inf if math.isnan(error) else error, default=None)

    @property
    def verdict(self) -> str:
        """The verdict in one line."""
        worst = "" if self.worst is None else f"; worst relative error {self.worst:.1e}"
        many = f"{len(self.checks)} checks, {self.comparisons:,} comparisons{worst}"
        if self.wrong:
            cannot = sum(check.verdict == "can't run" for check in self.wrong)
            also = f", {cannot} of them can't even run" if cannot else ""
            return f"not exact: {len(self.wrong)} of {len(self.checks)} checks fail{also}{worst}"
        if self.unchecked:
            return f"incomplete: {len(self.unchecked)} of {len(self.checks)} checks could not be made{worst}"
        return f"exact: {many}" if self.exact else "nothing was checked"

    def __str__(self) -> str:
        rows = [HEAD, *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        words = [fill(item, WIDTH, subsequent_indent="  ", break_long_words=False) for item in self.words]
        return "\n".join([self.verdict, *words, "", *lines])

    @property
    def words(self) -> list[str]:
        """The faults and the notes, as items of a list."""
        return [f"- {fault}" for fault in self.faults] + [f"- note: {note}" for note in self.notes]

    def as_markdown(self) -> str:
        """Write the verdict, the faults and the table."""
        cells = [[cell.replace("|", "\\|") for cell in row] for row in self.rows("**{}**")]
        words = [*self.words, ""] if self.words else []
        return "\n".join([f"**{self.verdict}**", "", *words, *table(HEAD, cells)])

    def rows(self, heading: str = "{}") -> Iterator[tuple[str, str, str, str]]:
        """Write the rows of a table: each node as a heading of its own, and its checks under it."""
        for node, checks in groupby(self.checks, key=lambda check: check.node):
            yield heading.format(node), "", "", ""
            for check in checks:
                yield check.cells

    def as_record(self) -> dict[str, Any]:
        """Return what JSON can hold; an error that isn't finite as a word."""
        checks = [asdict(check) for check in self.checks]
        for check in checks:
            if check["error"] is not None and not math.isfinite(check["error"]):
                check["error"] = str(check["error"])
        return {
            "exact": self.exact,
            "verdict": self.verdict,
            "worst_error": self.worst if self.worst is None or math.isfinite(self.worst) else str(self.worst),
            "checks": len(self.checks),
            "comparisons": self.comparisons,
            "failed": len(self.wrong),
            "not_checked": len(self.unchecked),
            "faults": list(self.faults),
            "notes": list(self.notes),
            "rows": checks,
        }


def fold_checks(checks: Sequence[Check], what: str) -> Check:
    """Make one row of several: the worst of those that were judged, with the comparisons of all of these."""
    judged = [check for check in checks if check.verdict != "not judged"] or checks
    worst = max(judged, key=lambda check: (SEVERITY.index(check.verdict), check.error or 0))
    return replace(worst, what=what, comparisons=sum(check.comparisons for check in judged))


def lenient_check(check: Check) -> Check:
    """Return the row of what need not be right."""
    return replace(check, verdict="not judged") if check.verdict in ("wrong", "can't run") else check
