"""How far two modes' gradients agree at the same parameters, summed up over the updates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from mnist_trainer.analysis.comparison.copies import BOUNDS, ModeDifference


@dataclass(frozen=True)
class Agreement:
    """How far a mode's gradients are from the first one's at the same parameters, in one precision.

    A relative difference is ‖Δ‖ / ‖g‖, g being the first mode's; it is told of the updates at which ‖dL/dz‖ is larger
    than the bound's absolute part, for less is nothing but rounding. `within` counts the updates at which dL/dz kept
    `copies.BOUNDS`; `worst` is the largest ‖Δ dL/dz‖ in units of its bound.
    """

    dtype: str
    updates: int
    within: int
    first_outside: int | None
    worst: float
    logits_largest: float
    logits_median: float
    parameters_largest: float
    parameters_median: float
    loss_largest: float  # |ΔL|
    clamped_rows: int  # of the mode
    clamped_rows_of_first: int
    clamped_rows_outside: int  # of both, at the updates outside
    vanished: int = 0  # the updates at which ‖dL/dz‖ was not larger than the bound's absolute part

    @property
    def holds(self) -> bool:
        """Whether the bound was kept throughout."""
        return self.updates > 0 and self.within == self.updates


def agreement(found: Mapping[int, ModeDifference], dtype: str) -> Agreement:
    """Sum up the differences by update."""
    bound = BOUNDS[dtype]
    excess = {step: one.logits / bound.of(one.logits_norm) for step, one in found.items()}
    outside = [step for step, share in excess.items() if not share <= 1]
    weighty = [one for one in found.values() if not one.logits_norm <= bound.absolute]
    logits = [one.relative_logits for one in weighty]
    parameters = [one.relative_parameters for one in weighty]
    return Agreement(
        dtype=dtype,
        updates=len(found),
        within=len(found) - len(outside),
        first_outside=outside[0] if outside else None,
        worst=largest_disagreement(list(excess.values())),
        logits_largest=largest_disagreement(logits),
        logits_median=median(logits) if logits else math.nan,
        parameters_largest=largest_disagreement(parameters),
        parameters_median=median(parameters) if parameters else math.nan,
        loss_largest=largest_disagreement([abs(one.loss) for one in found.values()]),
        clamped_rows=sum(one.clamped_rows for one in found.values()),
        clamped_rows_of_first=sum(one.clamped_rows_of_first for one in found.values()),
        clamped_rows_outside=sum(found[step].clamped_rows + found[step].clamped_rows_of_first for step in outside),
        vanished=len(found) - len(weighty),
    )


def largest_disagreement(values: Sequence[float]) -> float:
    """Return the largest value, NaN if there is one among them, or none at all."""
    return max(values, key=lambda value: (math.isnan(value), value), default=math.nan)
