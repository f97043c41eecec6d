"""What a profile found, as tables and as a record."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mnist_trainer.analysis.profile.subnormal import Tally
from mnist_trainer.words import signed, table

HEAD = ("what", "does", "median µs", "share", "GFLOP/s", "of the peak")
KERNEL_HEAD = ("kernel", "median µs", "share")
LEAST = 0.001  # of the step: what is less isn't shown as a row of its own


@dataclass(frozen=True)
class ProfileRow:
    """What a part does, the seconds that it takes itself, and its matrix products' multiplications and additions."""

    what: str
    does: str
    seconds: float
    operations: float = 0.0


@dataclass(frozen=True)
class Profile:
    """Medians over a number of updates, in seconds: the parts of a step, its kernels, and the step as it is."""

    parts: Sequence[ProfileRow]
    kernels: Sequence[ProfileRow]
    step: float
    timed_step: float
    """With its parts timed."""
    batch: int
    updates: int
    peak: float
    """Operations a second of a large matrix product."""
    dtype: str
    tallies: Mapping[str, Tally]
    """Of one more update, how many numbers of each kind are subnormal."""

    @property
    def measured(self) -> float:
        """The sum of the parts."""
        return sum(row.seconds for row in self.parts)

    @property
    def operations(self) -> float:
        """The matrix products' multiplications and additions in a step."""
        return sum(row.operations for row in self.parts)

    @property
    def verdict(self) -> str:
        """The step in a sentence or three."""
        rate, cost = self.operations / self.step, self.timed_step / self.step - 1
        return (
            f"A step takes {self.step * 1e6:,.0f} µs: {self.batch / self.step:,.0f} samples/s. Its matrix products "
            f"come to {rate / 1e9:.1f} GFLOP/s, {rate / self.peak:.0%} of the {self.peak / 1e9:.1f} that a large "
            f"product reaches in {self.dtype}. Timing its parts changes it by {signed(cost, '.1%')}; they add up to "
            f"{self.measured * 1e6:,.0f} µs. {self.subnormal_numbers}"
        )

    @property
    def subnormal_numbers(self) -> str:
        """How many of an update's numbers are subnormal, in a sentence."""
        total = sum(tally.numbers for tally in self.tallies.values())
        some = [
            f"{tally.subnormal:,} of {tally.numbers:,} in the {name}"
            for name, tally in self.tallies.items()
            if tally.subnormal
        ]
        what = f"Of the {total:,} numbers in an update's {', '.join(self.tallies)}"
        if not some:
            return f"{what}, none is subnormal."
        return f"{what}, these are subnormal, which some processors are slow with: {'; '.join(some)}."

    def rows(self) -> list[tuple[str, ...]]:
        """Write the rows of the parts' table, as `HEAD` says, without what takes next to nothing, and the sum."""
        shown = [row for row in self.parts if row.seconds >= LEAST * self.measured or row.operations]
        return [self._cells(row) for row in [*shown, ProfileRow("sum", "", self.measured, self.operations)]]

    def kernel_rows(self) -> list[tuple[str, ...]]:
        """Write the rows of the kernels' table, as `KERNEL_HEAD` says, the longest first."""
        total = sum(row.seconds for row in self.kernels)
        longest = sorted(self.kernels, key=lambda row: -row.seconds)
        return [
            (row.what, f"{row.seconds * 1e6:,.1f}", f"{row.seconds / total:.1%}")
            for row in longest
            if row.seconds >= LEAST * total
        ]

    def _cells(self, row: ProfileRow) -> tuple[str, ...]:
        rate = row.operations / row.seconds if row.operations and row.seconds else None
        return (
            row.what,
            row.does,
            f"{row.seconds * 1e6:,.1f}",
            f"{row.seconds / self.measured:.1%}",
            "" if rate is None else f"{rate / 1e9:.1f}",
            "" if rate is None else f"{rate / self.peak:.0%}",
        )

    def as_markdown(self) -> str:
        """Write the verdict and the two tables."""
        return "\n".join(
            [self.verdict, "", *table(HEAD, self.rows()), "", *table(KERNEL_HEAD, self.kernel_rows())],
        )

    def as_record(self) -> dict[str, Any]:
        """Return what JSON can hold; seconds, and operations a second."""
        return {
            "step_seconds": self.step,
            "samples_per_second": self.batch / self.step,
            "timed_step_seconds": self.timed_step,
            "sum_of_parts_seconds": self.measured,
            "operations": self.operations,
            "operations_per_second": self.operations / self.step,
            "peak_operations_per_second": self.peak,
            "batch": self.batch,
            "updates": self.updates,
            "dtype": self.dtype,
            "subnormal": {name: asdict(tally) for name, tally in self.tallies.items()},
            "parts": [asdict(row) for row in self.parts],
            "kernels": [{"kernel": row.what, "seconds": row.seconds} for row in self.kernels],
        }
