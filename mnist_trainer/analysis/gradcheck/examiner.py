"""How a function is examined: what it says of its derivatives is asked for, held against differences, and noted.

It may be anybody's code: what can't run is a row of the report, and so is what isn't finite or has another shape.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mnist_trainer.analysis.gradcheck.differences import DIRECTIONS, LAX, RELATIVE, Budget, Measured, measure
from mnist_trainer.analysis.gradcheck.findings import Check, Findings, Verdict
from mnist_trainer.analysis.gradcheck.held import HeldGenerators
from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array

T = TypeVar("T")

TIME = "the time is over"
EPS = float(np.finfo(np.float64).eps)
BRIEF = 60  # what is longer is told in full below the table


@dataclass(frozen=True)
class CheckSettings:
    """How much is checked: entries of an array, the seed of all that is random, the time, and random directions."""

    samples: int
    seed: int
    budget: Budget
    directions: int = DIRECTIONS

    def stream(self) -> np.random.Generator:
        """Return a random stream that depends on the seed alone."""
        return np.random.default_rng(self.seed)


class Examiner:
    """Examines one function, the `node` of its rows, whose random numbers every call finds in the same state.

    `random` are what may hold random generators, and `note` tells a reader of a row that they were held fixed.
    """

    def __init__(self, node: str, settings: CheckSettings, *random: object, note: str) -> None:
        self.node, self.settings, self.found = node, settings, Findings()
        self.held = HeldGenerators(*random)
        self._note = note

    def attempt(self, what: str, run: Callable[[], T], place: str = "") -> T | None:
        """Call; return what it returns, or None where it can't run, which is noted."""
        done = attempt_call(run)
        if not isinstance(done, str):
            return done
        self.refuse(what, done, f"{place}{done}")
        return None

    def refuse(self, what: str, why: str, words: str) -> None:
        """Note what can't be checked, and the reason as its fault."""
        self.found.note(cannot_run_check(self.node, what, why), f"{self.node}: {words}")

    def derivative(
        self,
        what: str,
        value: Callable[[], float],
        array: Array,
        analytic: Array | None,
        scale: float,
        *,
        name: str | None = None,
        notes: Sequence[str] = (),
        explain: Callable[[Measured], str | None] | None = None,
        coarse: float = 1.0,
    ) -> None:
        """Hold one derivative against differences of `value`, which reads `array` and adds numbers of size `scale` up.

        A wrong one is noted as a fault in the words of `explain`, or under its `name`, `what` if there is none.
        """
        problem = unfit_for_differences(array, analytic)
        if problem is not None:
            self.found.note(Check(self.node, what, "wrong", where=problem), f"{self.node}: {name or what} {problem}")
            return
        assert analytic is not None
        if self.settings.budget.spent:
            self.found.note(Check(self.node, what, "not checked", where=TIME))
            return
        notes = [*notes, *[self._note] * self.held.used]
        with np.errstate(all="ignore"):
            measured = measure(
                value,
                array,
                analytic,
                scale=scale,
                samples=self.settings.samples,
                rng=self.settings.stream(),
                budget=self.settings.budget,
                directions=self.settings.directions,
                coarse=coarse,
            )
        verdict, where = judge_gradient(measured)
        error = measured.error * (LAX if coarse > 1 else 1)
        check = Check(self.node, what, verdict, error, "; ".join([where, *notes]), measured.lines)
        fault = None
        if verdict == "wrong":
            fault = explain(measured) if explain else f"{self.node}: {name or what} {check.where}"
        self.found.note(check, fault)


def attempt_call(function: Callable[[], T]) -> T | str:
    """Call; return what it returns, or in words why it can't run."""
    try:
        with np.errstate(all="ignore"):  # values that aren't finite are found
            return function()
    except MistakeError as error:
        return str(error)
    except Exception as error:  # a user's function may raise anything
        return f"{type(error).__name__}: {error}"


def coarseness(value: object) -> float:
    """Tell how much coarser than float64 a number is rounded: 1, unless it is one of NumPy's shorter ones."""
    kind = np.asarray(value).dtype
    return float(np.finfo(kind).eps) / EPS if kind.kind == "f" and kind.itemsize < 8 else 1.0


def cannot_run_check(node: str, what: str, why: str) -> Check:
    """Return the row of what can't even run."""
    return Check(node, what, "can't run", where=why.split(": ")[0] if len(why) > BRIEF else why)


def unfit_for_differences(array: Array, analytic: Array | None) -> str | None:
    """Say why there is no sense in differences; None if there is."""
    if analytic is None:
        return "is None: backward has to return it when need_dx is true"
    if analytic.shape != array.shape:
        return f"has shape {analytic.shape}: must be {array.shape}"
    if not np.isfinite(analytic).all():
        many = f"{np.count_nonzero(~np.isfinite(analytic))} of {analytic.size} entries"
        return f"is not finite, or never set (backward overwrites): {many}"
    return None


def judge_gradient(measured: Measured) -> tuple[Verdict, str]:
    """Return the verdict on what was measured, and where its worst is."""
    entry, claimed, numeric = measured.worst
    place = "random direction" if entry is None else f"at {entry}"
    if measured.error > RELATIVE:
        return "wrong", f"{place}: {claimed:.4g} for {numeric:.4g}"
    if measured.lines + measured.kinks < measured.asked:
        return "not checked", f"{TIME}: {measured.lines} of {measured.asked} slopes"
    if 2 * measured.kinks > measured.asked:
        return "not checked", f"{measured.kinks} of {measured.asked} slopes lie at a kink"
    if measured.too_small:
        return "not judged", f"too small beside the rounding: ‖g‖ = {np.linalg.norm(measured.analytic):.1e}"
    left_out = f"; {measured.kinks} of {measured.asked} slopes lie at a kink: left out" if measured.kinks else ""
    return "exact", place + left_out
