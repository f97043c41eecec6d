"""What a training in lockstep comes to: how far the modes' gradients agree, and when the modes part."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mnist_trainer.analysis.comparison.agreement import Agreement, agreement, largest_disagreement
from mnist_trainer.analysis.comparison.copies import BOUNDS, relative_distance
from mnist_trainer.analysis.comparison.lockstep import Entrant, Lockstep, ModeDifferences
from mnist_trainer.layers.dropout import MASKS

FAR = 1e-3
"""Relative differences of gradients and parameters, and differences of losses, are called large above it."""


@dataclass(frozen=True)
class ModePair:
    """A mode against the first one; updates count from 1, and None says that it never happened."""

    first: str
    other: str
    mistakes: tuple[str, ...]  # those of the two that are not exact
    measured: Agreement
    shadow: Agreement | None  # in float64; None where training itself is in float64
    gradients_differ: int | None  # a bit of dL/dz, at the same parameters
    gradients_differ_much: int | None  # relative difference of dL/dz > FAR
    parameters_differ: int | None
    parameters_differ_much: int | None  # drift > FAR
    losses_differ: int | None  # of the batch, each mode at its own parameters
    losses_differ_much: int | None  # > FAR
    drift_end: float  # ‖θ − θ_first‖ / ‖θ_first‖
    drift_largest: float

    @property
    def agreements(self) -> list[Agreement]:
        """What was measured, in each precision."""
        return [found for found in (self.measured, self.shadow) if found is not None]

    @property
    def same_gradient(self) -> bool:
        """Whether the gradients were the same up to rounding: of exact modes the highest precision there is decides.

        A mistake must have kept the bound in every precision, for float64 is not asked at every update.
        """
        return all(found.holds for found in (self.agreements if self.mistakes else self.agreements[-1:]))

    @property
    def same_loss(self) -> bool:
        """Whether the losses at the same parameters were the same, too."""
        return self.measured.loss_largest <= FAR


@dataclass(frozen=True)
class ModeOutcome:
    """How a mode's own training went; `result` is what `outcome.json` says of a run, None if the mode dropped out."""

    mode: str
    exact: bool
    updates: int
    clamped_rows: int
    failure: str | None
    result: Mapping[str, Any] | None


@dataclass(frozen=True)
class LockstepSummary:
    """A training in lockstep, summed up; `lockstep_record` has the numbers update by update, for pictures."""

    updates: int
    weights: int  # the number of parameters, with which all modes began alike, bit for bit
    dropout: bool  # whether the model has layers that drop something out
    shadow_every: int | None  # float64 is asked at the first of every so many updates; None if training is in it
    outcomes: list[ModeOutcome]
    pairs: list[ModePair]
    record: dict[str, Any]


def sum_up_lockstep(lockstep: Lockstep[Any]) -> LockstepSummary:
    """Sum a training in lockstep up."""
    first, *others = lockstep.entrants
    dtype = str(first.trainer.model.dtype)
    return LockstepSummary(
        updates=lockstep.step,
        weights=first.trainer.model.parameters.size,
        dropout=any(name.endswith(f".{MASKS}") for name in first.trainer.model.generators),
        shadow_every=lockstep.shadow_every if dtype != "float64" else None,
        outcomes=[mode_outcome(entrant) for entrant in lockstep.entrants],
        pairs=[mode_pair(first, other, lockstep.differences[other.name], dtype) for other in others],
        record=lockstep_record(lockstep),
    )


def mode_outcome(entrant: Entrant[Any]) -> ModeOutcome:
    """Sum a mode's own training up."""
    return ModeOutcome(
        mode=entrant.name,
        exact=entrant.trainer.loss.exact,
        updates=len(entrant.losses),
        clamped_rows=sum(entrant.clamped_rows),
        failure=None if entrant.failure is None else str(entrant.failure),
        result=None if entrant.result is None else asdict(entrant.result),
    )


def mode_pair(first: Entrant[Any], other: Entrant[Any], differences: ModeDifferences, dtype: str) -> ModePair:
    """Hold a mode against the first one."""
    measured, drift = differences.measured, differences.drift
    apart = [abs(one - another) for one, another in zip(other.losses, first.losses, strict=False)]
    return ModePair(
        first=first.name,
        other=other.name,
        mistakes=tuple(one.name for one in (first, other) if not one.trainer.loss.exact),
        measured=agreement(dict(enumerate(measured, start=1)), dtype),
        shadow=agreement(differences.shadow, "float64") if dtype != "float64" else None,
        gradients_differ=first_update_where(measured, lambda one: one.differs),
        gradients_differ_much=first_update_where(measured, lambda one: not one.relative_logits <= FAR),
        parameters_differ=first_update_where(drift, lambda one: one != 0),
        parameters_differ_much=first_update_where(drift, lambda one: not one <= FAR),
        losses_differ=first_update_where(apart, lambda one: one != 0),
        losses_differ_much=first_update_where(apart, lambda one: not one <= FAR),
        drift_end=drift[-1] if drift else math.nan,
        drift_largest=largest_disagreement(drift),
    )


def first_update_where(values: Sequence[Any], happens: Callable[[Any], bool]) -> int | None:
    """Return the number of the first update, from 1, at which something happens."""
    return next((step for step, value in enumerate(values, start=1) if happens(value)), None)


def lockstep_record(lockstep: Lockstep[Any]) -> dict[str, Any]:
    """List what was measured by update; a mode that dropped out has shorter lists."""
    entrants = lockstep.entrants
    dtype = str(lockstep.first.trainer.model.dtype)
    return {
        "modes": [entrant.name for entrant in entrants],
        "dtype": dtype,
        "steps": list(range(1, lockstep.step + 1)),
        "loss": {entrant.name: entrant.losses for entrant in entrants},
        "accuracy": {entrant.name: entrant.accuracies for entrant in entrants},
        "clamped_rows": {entrant.name: entrant.clamped_rows for entrant in entrants},
        "validation": {
            entrant.name: [
                [epoch.step, epoch.validation.loss, epoch.validation.accuracy]
                for epoch in entrant.epochs
                if epoch.validation is not None
            ]
            for entrant in entrants
        },
        "differences": {name: listed_differences(found, dtype) for name, found in lockstep.differences.items()},
    }


def listed_differences(differences: ModeDifferences, dtype: str) -> dict[str, list[Any]]:
    """List a mode's differences to the first one; all are relative but norms and losses, bounds too."""
    lists: dict[str, list[Any]] = {"drift": differences.drift, "shadow_steps": list(differences.shadow)}
    for prefix, found, kind in (
        ("", differences.measured, dtype),
        ("shadow_", list(differences.shadow.values()), "float64"),
    ):
        lists |= {
            f"{prefix}logits": [one.relative_logits for one in found],
            f"{prefix}logits_norm": [one.logits_norm for one in found],
            f"{prefix}bound": [relative_distance(BOUNDS[kind].of(one.logits_norm), one.logits_norm) for one in found],
            f"{prefix}parameters": [one.relative_parameters for one in found],
            f"{prefix}parameters_norm": [one.parameters_norm for one in found],
            f"{prefix}loss": [one.loss for one in found],
        }
    return lists
