"""A mean with Student's interval, of differences or of ratios, and what can be said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

CONFIDENCE = 0.95
ROUNDING = 1e-9  # relative: (k + 1)/n − k/n comes out a little different for each k

Verdict = Literal["none", "single", "equal", "constant", "unclear", "less", "more"]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % confidence interval, mean ± t · s / √n, where t has n − 1 degrees of freedom.

    `deviation` is the sample standard deviation s. What n values can't tell is None: all of it for none, s and
    the interval for one. Values without any spread have no interval either.

    Of ratios, whose `null` is 1, all this is taken of their logarithms: `mean` is the geometric mean, `deviation` the
    factor e^s, which is at least 1, and the interval goes from mean ÷ to mean × e^(t · s / √n): it is above 0.
    """

    values: tuple[float, ...]
    null: float  # what it would be if there were no difference
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> Verdict:
        """What can be said of the mean: `less` and `more` than `null` if the interval leaves that out."""
        if not self.values:
            return "none"
        if len(self.values) == 1:
            return "single"
        if all(value == self.null for value in self.values):
            return "equal"
        if self.low is None or self.high is None:
            return "constant"
        if self.low <= self.null <= self.high:
            return "unclear"
        return "more" if self.low > self.null else "less"


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the mean that independent values come from."""
    taken = tuple(float(value) for value in values)
    mean = float(np.mean(taken)) if taken else None
    if mean is None or len(taken) < 2:
        return Estimate(taken, 0.0, mean, None, None, None)
    if max(taken) - min(taken) <= ROUNDING * max(map(abs, taken)):
        return Estimate(taken, 0.0, mean, 0.0, None, None)
    deviation = float(np.std(taken, ddof=1))
    half = student_quantile(len(taken)) * deviation / math.sqrt(len(taken))
    return Estimate(taken, 0.0, mean, deviation, mean - half, mean + half)


def estimate_ratio(values: Sequence[float]) -> Estimate:
    """Estimate the geometric mean that independent ratios come from; all must be above 0."""
    taken = tuple(float(value) for value in values)
    logs = estimate([math.log(value) for value in taken])
    if len(taken) > 1 and max(taken) - min(taken) <= ROUNDING * max(taken):
        return Estimate(taken, 1.0, taken[0], 1.0, None, None)
    mean, deviation, low, high = (
        None if value is None else math.exp(value) for value in (logs.mean, logs.deviation, logs.low, logs.high)
    )
    return Estimate(taken, 1.0, mean, deviation, low, high)


def student_quantile(count: int) -> float:
    """Return Student's t: the mean of so many normal values lies within t standard errors in 95 % of all cases."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # slow to load: sweeps alone pay for it

    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
