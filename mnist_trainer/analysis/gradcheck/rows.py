"""One derivative of one function against differences, as a row of the report; and what functions need to be repeatable.

A layer's random numbers come from generators that it holds, itself or in layers inside it: their states are put back
before every call, so that masks stay what they are.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from mnist_trainer.analysis.gradcheck.differences import DIRECTIONS, RELATIVE, Budget, Measured, measure
from mnist_trainer.analysis.gradcheck.report import Check, Verdict
from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Parameters

T = TypeVar("T")

TIME = "the time is over"
BRIEF = 60  # what is longer is told in full below the table
SEVERITY: Sequence[Verdict] = ("exact", "not judged", "not checked", "wrong", "can't run")


@dataclass(frozen=True)
class Settings:
    """How much is checked: entries of an array, the seed of all that is random, the time, and random directions."""

    samples: int
    seed: int
    budget: Budget
    directions: int = DIRECTIONS

    def stream(self) -> np.random.Generator:
        """Return a random stream that depends on the seed alone."""
        return np.random.default_rng(self.seed)


class Held:
    """The random generators in a function, which every call finds in the same state."""

    def __init__(self, *holders: object) -> None:
        self.generators = list({id(one): one for holder in holders for one in generators(holder)}.values())
        self._states = [generator.bit_generator.state for generator in self.generators]

    def call(self, function: Callable[[], T]) -> T:
        """Put the states back, then call."""
        for generator, state in zip(self.generators, self._states, strict=True):
            generator.bit_generator.state = state
        return function()

    @property
    def used(self) -> bool:
        """Whether the last call drew random numbers."""
        return any(
            generator.bit_generator.state != state
            for generator, state in zip(self.generators, self._states, strict=True)
        )

    def repeats(self, function: Callable[[], float]) -> bool:
        """Tell whether two calls return the same."""
        with np.errstate(all="ignore"):
            one, two = self.call(function), self.call(function)
        return one == two or (math.isnan(one) and math.isnan(two))


def generators(holder: object) -> Iterator[np.random.Generator]:
    """Find the random generators that a layer, a loss, or what they hold, holds."""
    if isinstance(holder, np.random.Generator):
        yield holder
    elif isinstance(holder, Mapping):
        for value in holder.values():
            yield from generators(value)
    elif isinstance(holder, list | tuple):
        for value in holder:
            yield from generators(value)
    elif isinstance(holder, Layer | Loss):
        yield from generators(vars(holder))


def scatter(parameters: Parameters, rng: np.random.Generator) -> None:
    """Move the parameters that begin all alike (biases at 0): there nothing would show, and kinks lie at 0."""
    for view in parameters.views.values():
        if view.size and np.ptp(view) == 0:
            view += 0.1 * rng.standard_normal(view.shape)


def attempt(function: Callable[[], T]) -> T | str:
    """Call; return what it returns, or in words why it can't run: it may be anybody's code."""
    try:
        with np.errstate(all="ignore"):  # values that aren't finite are found
            return function()
    except MistakeError as error:
        return str(error)
    except Exception as error:  # a user's function may raise anything
        return f"{type(error).__name__}: {error}"


def derivative(
    node: str,
    what: str,
    value: Callable[[], float],
    array: Array,
    analytic: Array | None,
    scale: float,
    settings: Settings,
    *,
    notes: Sequence[str] = (),
) -> tuple[Check, Measured | None]:
    """Hold one derivative against differences of `value`, which reads `array`; None where there was no sense in it."""
    if analytic is None:
        return Check(node, what, "wrong", where="is None: backward has to return it when need_dx is true"), None
    if analytic.shape != array.shape:
        return Check(node, what, "wrong", where=f"has shape {analytic.shape}: must be {array.shape}"), None
    if not np.isfinite(analytic).all():
        many = f"{np.count_nonzero(~np.isfinite(analytic))} of {analytic.size} entries"
        return Check(node, what, "wrong", where=f"is not finite, or never set (backward overwrites): {many}"), None
    if settings.budget.spent:
        return Check(node, what, "not checked", where=TIME), None
    with np.errstate(all="ignore"):
        measured = measure(
            value,
            array,
            analytic,
            scale=scale,
            samples=settings.samples,
            rng=settings.stream(),
            budget=settings.budget,
            directions=settings.directions,
        )
    verdict, where = judge(measured)
    return Check(node, what, verdict, measured.error, "; ".join([where, *notes]), measured.lines), measured


def judge(measured: Measured) -> tuple[Verdict, str]:
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
        return "not judged", f"too small to measure: ‖g‖ = {np.linalg.norm(measured.analytic):.1e}"
    left_out = f"; {measured.kinks} of {measured.asked} slopes lie at a kink: left out" if measured.kinks else ""
    return "exact", place + left_out


def cannot_run(node: str, what: str, why: str) -> Check:
    """Return the row of what can't even run."""
    return Check(node, what, "can't run", where=why.split(": ")[0] if len(why) > BRIEF else why)


def fold(checks: Sequence[Check], what: str) -> Check:
    """Make one row of several: the worst of them, with the comparisons of all."""
    worst = max(checks, key=lambda check: (SEVERITY.index(check.verdict), check.error or 0))
    return replace(worst, what=what, comparisons=sum(check.comparisons for check in checks))


def unique(words: Sequence[str]) -> list[str]:
    """Drop what has been said before."""
    return list(dict.fromkeys(words))
