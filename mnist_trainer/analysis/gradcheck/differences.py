"""A gradient against central differences in float64, with kinks told from mistakes.

A scalar function is moved along a line: along single entries of an array, and along random directions, which see all
entries at once. A slope agrees if |Δ| ≤ 1e-7 ‖g‖ plus what rounding can do to the difference.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from mnist_trainer.kernels.arrays import Array, Indices, Shape

STEP = 1e-5
RELATIVE = 1e-7
LAX = 1e4  # times as much is agreement, where the value is rounded more coarsely than float64
ABSOLUTE = 1e-9
ROUNDING = 16 * float(np.finfo(np.float64).eps)  # of a value near 1; its difference is divided by the step
DIRECTIONS = 4
TINY = float(np.finfo(np.float64).tiny)
SHRINKING = (1.0, 0.1, 0.01)
TOO_SMALL = 0.01  # a gradient under a hundred times the rounding is not measured

Entry: TypeAlias = tuple[int, ...]


@dataclass
class Budget:
    """How long a check may take, in seconds from when it is made; None for as long as it takes."""

    seconds: float | None = None
    _started: float = field(default_factory=time.perf_counter, init=False, repr=False)

    @property
    def spent(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and time.perf_counter() - self._started > self.seconds


@dataclass(frozen=True)
class MeasuredSlope:
    """The slope of a line by differences, and how far from it the claimed one is (agreement: at most `RELATIVE`)."""

    numeric: float
    error: float
    kink: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """A gradient `analytic` and what differences said of it: `numeric` at the flat `indices`."""

    analytic: Array
    indices: Indices
    numeric: Array
    error: float  # the worst of entries and directions
    worst: tuple[Entry | None, float, float]  # None: a direction; claimed and measured slope
    lines: int  # compared
    kinks: int  # left out
    asked: int  # lines that should have been compared
    too_small: bool  # the gradient is not 0, but lies under the rounding


def measure(
    value: Callable[[], float],
    x: Array,
    analytic: Array,
    *,
    scale: float,
    samples: int,
    rng: np.random.Generator,
    budget: Budget,
    directions: int = DIRECTIONS,
    coarse: float = 1.0,
) -> Measured:
    """Hold `analytic` against differences of `value`, which reads x; x is moved in place and put back.

    So many entries are moved one by one (`samples`), and all along so many random `directions`. `scale` is the size of
    the numbers that `value` adds up: rounding is relative to it, and `coarse` times that of float64; then the steps are
    larger, and slopes agree within 1e-3.
    """
    start, base = x.copy(), value()
    flat = choose_entries(analytic, samples, rng)
    norm = float(np.linalg.norm(analytic))
    directions = 1 if x.size == 1 else directions
    step = STEP * coarse ** (1 / 3)
    step_of_direction = step / x.size**0.25  # all entries move at once: less of each, so that fewer kinks are crossed
    entries = [tuple(int(i) for i in np.unravel_index(index, x.shape)) for index in flat]
    lines: list[tuple[MeasuredSlope, Entry | None, float]] = []
    try:
        for entry in (*[None] * directions, *entries):
            if budget.spent:
                break
            direction = rng.standard_normal(x.shape) if entry is None else unit_direction(x.shape, entry)
            claimed = float(np.vdot(analytic, direction))
            size, h = (norm, step_of_direction) if entry is None else (None, step)
            slope = compare_slope(along_direction(value, x, start, direction), base, claimed, size, scale, h, coarse)
            x[...] = start
            lines.append((slope, entry, claimed))
    finally:
        x[...] = start
    compared = [line for line in lines if not line[0].kink]
    slope, entry, claimed = max(compared, key=lambda line: line[0].error, default=(MeasuredSlope(0.0, 0.0), (), 0.0))
    of_entries = zip(flat, [slope for slope, entry, _ in lines if entry is not None], strict=False)
    numeric = {index: slope.numeric for index, slope in of_entries if not slope.kink}
    return Measured(
        analytic=analytic,
        indices=np.array(list(numeric), np.intp),
        numeric=np.array(list(numeric.values()), np.float64),
        error=slope.error,
        worst=(entry, claimed, slope.numeric),
        lines=len(compared),
        kinks=len(lines) - len(compared),
        asked=directions + len(entries),
        too_small=norm > 0 and slope_rounding(scale, step_of_direction, coarse) > TOO_SMALL * norm,
    )


def along_direction(value: Callable[[], float], x: Array, start: Array, direction: Array) -> Callable[[float], float]:
    """Return `value` as a function of how far x lies from the start in a direction."""

    def at(s: float) -> float:
        np.multiply(direction, s, out=x)
        np.add(x, start, out=x)
        return value()

    return at


def unit_direction(shape: Shape, entry: Entry) -> Array:
    """Return the direction of a single entry."""
    direction = np.zeros(shape)
    direction[entry] = 1
    return direction


def compare_slope(
    at: Callable[[float], float],
    base: float,
    claimed: float,
    norm: float | None,
    scale: float,
    step: float,
    coarse: float = 1.0,
) -> MeasuredSlope:
    """Compare a claimed slope with that of `at` at 0, where it is `base`; `norm` (or the slope's own) is its size.

    Where they disagree, smaller steps tell a kink nearby (the differences depend on the step) from a mistake (they
    don't). A line through a kink is left out. On that of a single entry (`norm` is None) any slope between the
    one-sided ones is right, but one that isn't between them is wrong there too; a direction may go through several
    kinks, whose one-sided slopes cancel.
    """
    last: tuple[float, float] | None = None
    slope = MeasuredSlope(math.nan, math.inf)
    for h in (step * factor for factor in SHRINKING):
        above, below = at(h), at(-h)
        numeric, gap = (above - below) / (2 * h), (above - 2 * base + below) / h
        if not math.isfinite(numeric):
            return MeasuredSlope(numeric, math.inf)
        size = max(abs(claimed), abs(numeric)) if norm is None else norm
        scale = max(scale, abs(above), abs(below), TINY)
        allowed = RELATIVE * (LAX if coarse > 1 else 1) * size + slope_rounding(scale, h, coarse)
        slope = MeasuredSlope(numeric, RELATIVE * abs(numeric - claimed) / allowed)
        if slope.error <= RELATIVE:
            return slope
        excused = norm is not None or abs(claimed - numeric) <= abs(gap) / 2 + allowed
        if last is not None:
            at_a_kink = abs(gap) > 0.5 * abs(last[1]) and abs(gap) > 4 * allowed
            if at_a_kink and excused:
                return MeasuredSlope(numeric, slope.error, kink=True)
            if abs(numeric - last[0]) <= ROUNDING * coarse * scale / h:
                break
        last = numeric, gap
    return slope


def slope_rounding(scale: float, step: float, coarse: float = 1.0) -> float:
    """Tell what rounding can do to a difference quotient."""
    return max(ABSOLUTE, ROUNDING * coarse / step) * scale


def choose_entries(gradient: Array, samples: int, rng: np.random.Generator) -> Indices:
    """Choose flat indices to move one by one: the largest entry, and more that are not 0 than such that are."""
    if gradient.size <= samples:
        return np.arange(gradient.size)
    if samples == 0:
        return np.empty(0, np.intp)
    flat = gradient.reshape(-1)
    nonzero, zero = np.flatnonzero(flat), np.flatnonzero(flat == 0)
    zeros = max(min(len(zero), samples // 4), samples - len(nonzero))
    chosen = [rng.choice(zero, zeros, replace=False)] if zeros else []
    if samples > zeros:
        largest = int(np.abs(flat).argmax())
        others = rng.choice(nonzero, samples - zeros, replace=False)
        chosen.append(np.array([largest, *others[others != largest][: samples - zeros - 1]]))
    return np.sort(np.concatenate(chosen).astype(np.intp))
