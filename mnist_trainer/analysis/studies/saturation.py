"""The saturation study: where, as the logits grow, each loss mode leaves the true value and gradient in float32.

The true class lies ever further under the largest other class ("wrong" rows), or above it ("right"); the losses'
answers are held against a float64 reference of the same float32 logits.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.studies.saturation_curves import (
    KINDS,
    SMALLEST,
    Node,
    OneHotMode,
    Rows,
    SaturationCurve,
    Textbook,
    saturation_curve,
)
from mnist_trainer.config import ClippedConfig, LossConfig
from mnist_trainer.kernels.arrays import Array, Mask
from mnist_trainer.words import table

OFF = 1e-3  # relative: three digits are left
LOSS_OFF = "loss off by 0.1 %"
LOSS_STAYS = "loss stays the same"
LOSS_ZERO = "loss is 0"
LOSS_NOT_FINITE = "loss is inf or nan"
GRADIENT_OFF = "gradient off by 0.1 %"
GRADIENT_VANISHED = "gradient at the true class vanishes"  # it is less than 0.1 % of the true one
GRADIENT_NOT_FINITE = "gradient is inf or nan"
UNDERFLOW = "p of the true class underflows"  # it is subnormal, 0, or raised to a floor
EVENTS = (
    LOSS_OFF,
    LOSS_STAYS,
    LOSS_ZERO,
    LOSS_NOT_FINITE,
    GRADIENT_OFF,
    GRADIENT_VANISHED,
    GRADIENT_NOT_FINITE,
    UNDERFLOW,
)


@dataclass(frozen=True)
class SaturationEvent:
    """What first happens to a mode at a scale; from the first scale on it is wrong, rather than numerically off."""

    mode: str
    rows: Rows
    what: str
    scale: float


@dataclass(frozen=True)
class Saturation:
    """The study; its scales are the gaps between the true and the largest other class."""

    scales: list[float]
    curves: list[SaturationCurve]
    events: list[SaturationEvent]
    unsmoothed: bool = False  # whether a mode has label smoothing, which the study left out

    @property
    def condition(self) -> str:
        """What the numbers hold for."""
        return "in float32, without label smoothing" if self.unsmoothed else "in float32"

    def as_markdown(self) -> list[str]:
        """Write for each kind of rows a table of what first happens at which gap, a line a mode."""
        lines: list[str] = []
        for rows, title in zip(KINDS, ("under", "above"), strict=True):
            found = {(event.mode, event.what): event for event in self.events if event.rows == rows}
            columns = [what for what in EVENTS if any(key[1] == what for key in found)]
            curves = [one for one in self.curves if one.rows == rows]
            cells = [[one.mode, *(cell(found.get((one.mode, what)), one, self) for what in columns)] for one in curves]
            where = f"this far {title} the largest other class ({rows} rows, {self.condition})"
            lines += [f"The true class lies {where} when first:", ""]
            lines += [*table(["mode", *columns], cells), ""]
        return lines[:-1]

    def sentences(self) -> list[str]:
        """Sum the study up: what becomes of each mode in wrong rows, and where right rows' losses come to nothing."""
        wrong = [f"{one.mode} {curve_fate(one, self)}" for one in self.curves if one.rows == "wrong"]
        zeros = {event.mode: event.scale for event in self.events if event.what == LOSS_ZERO}
        told = [f"Where the true class lies far under another one, {self.condition}: " + "; ".join(wrong) + "."]
        if zeros:
            first = min(zeros.values())
            true_loss = float(np.interp(first, self.scales, self.curves[KINDS.index("right")].true_loss))
            why = ": p rounds to 1" if np.float32(1 + true_loss) == 1 else ""
            told.append(
                f"Where it lies far above, the loss is 0 from a gap of {first:.4g} on (the truth is {true_loss:.1e} "
                f"there) in {', '.join(name for name, gap in zeros.items() if gap == first)}{why}."
            )
        for event in self.events:
            if (event.rows, event.what) == ("right", LOSS_NOT_FINITE) and event.scale > self.scales[0]:
                loss = next(one.loss for one in self.curves if (one.mode, one.rows) == (event.mode, "right"))
                why = ", of 0 · log 0" if event.mode == "homework (rows)" else ""
                told.append(
                    f"There, too, where nothing is wrong, {event.mode} has a loss of {first_bad(loss)} from a gap of "
                    f"{event.scale:.4g} on{why}."
                )
        return told


def study_saturation(modes: Sequence[LossConfig], *, classes: int = 10, seed: int = 0) -> Saturation:
    """Run the study on the modes, and on the textbook's nodes, the homework's and the gallery's `clipped` beside them.

    The targets are class indices, without label smoothing. A batch has as many rows as classes: the one size at which
    `posted_question` runs.
    """
    scales = saturation_scales()
    configs = list(modes)
    if all(config.name != "clipped" for config in configs):
        configs.append(ClippedConfig("clipped", 1e-7))
    modes_of_study = [LossMode(without_smoothing(config), classes, classes, np.float32) for config in configs]
    homework = OneHotMode(LossConfig("homework"), classes, classes, np.float32)
    nodes: list[Node] = [*modes_of_study, Textbook(), homework]
    curves = [saturation_curve(node, rows, scales, classes, seed) for node in nodes for rows in KINDS]
    return Saturation(
        scales=[float(scale) for scale in scales],
        curves=curves,
        events=[event for one in curves for event in saturation_events(one, scales)],
        unsmoothed=any(without_smoothing(config) != config for config in modes),
    )


def saturation_scales() -> Array:
    """Return scales from 1 to 1e4, 4 % apart, and closer around the thresholds of float32, the clip and the floor."""
    everywhere = np.geomspace(1, 1e4, 241)
    return np.unique(np.concatenate([everywhere, np.arange(8, 24, 0.25), np.arange(64, 110, 0.25)]))


def without_smoothing(config: LossConfig) -> LossConfig:
    """Return a loss's configuration without label smoothing, if it has one."""
    changes: Mapping[str, Any] = {"label_smoothing": 0.0} if hasattr(config, "label_smoothing") else {}
    return replace(config, **changes)


@np.errstate(invalid="ignore")
def saturation_events(one: SaturationCurve, scales: Array) -> list[SaturationEvent]:
    """Tell what first happens to a mode where, in the order of the scales."""
    loss, true_loss, p = np.array(one.loss), np.array(one.true_loss), np.array(one.probability)
    at_true, true_at_true = np.array(one.gradient_at_true), np.array(one.true_gradient_at_true)
    true_loss_moves = np.maximum(true_loss, true_loss[-1]) > 2 * np.minimum(true_loss, true_loss[-1])
    conditions: dict[str, Mask] = {
        LOSS_OFF: ~(np.array(one.loss_error) <= OFF),
        LOSS_STAYS: saturates_from(loss) & true_loss_moves,
        LOSS_ZERO: (loss == 0) & (true_loss > SMALLEST),
        LOSS_NOT_FINITE: ~np.isfinite(loss),
        GRADIENT_OFF: ~(np.array(one.gradient_error) <= OFF),
        GRADIENT_VANISHED: (np.abs(at_true) <= OFF * np.abs(true_at_true)) & (np.abs(true_at_true) > SMALLEST),
        GRADIENT_NOT_FINITE: ~np.isfinite(np.array(one.gradient_error)),
        UNDERFLOW: ((p < SMALLEST) | saturates_from(p)) & (one.rows == "wrong"),
    }
    found = [
        SaturationEvent(one.mode, one.rows, what, float(scales[int(np.argmax(happens))]))
        for what, happens in conditions.items()
        if happens.any()
    ]
    return sorted(found, key=lambda event: event.scale)


def saturates_from(values: Array) -> Mask:
    """Tell from where on values no longer change, up to rounding; nothing is told of what ends at 0."""
    same = np.abs(values - values[-1]) <= 1e-5 * abs(values[-1])
    from_here: Mask = np.logical_and.accumulate(same[::-1])[::-1]
    return from_here & bool(values[-1] != 0)


def cell(event: SaturationEvent | None, one: SaturationCurve, saturation: Saturation) -> str:
    """Write where an event happens, and for a loss that stays the same, at what."""
    if event is None:
        return "–"
    where = "from the start" if event.scale == saturation.scales[0] else f"{event.scale:.4g}"
    return f"{where} (at {one.loss[-1]:.4g})" if event.what == LOSS_STAYS else where


def first_bad(values: Sequence[float]) -> str:
    """Write the first value that isn't finite: inf, nan."""
    return next((str(value) for value in values if not math.isfinite(value)), "inf or nan")


def curve_fate(one: SaturationCurve, saturation: Saturation) -> str:
    """Say in a few words what becomes of a mode in wrong rows."""
    start, end = saturation.scales[0], saturation.scales[-1]
    where = {event.what: event.scale for event in saturation.events if (event.mode, event.rows) == (one.mode, "wrong")}
    if where.get(LOSS_NOT_FINITE) == start:
        return "has no finite loss from the start"
    if where.get(LOSS_OFF) == start:
        return "has another loss from the start"
    if where.get(GRADIENT_OFF) == start:
        return "has another gradient from the start"
    if not where.keys() & {LOSS_OFF, GRADIENT_OFF}:
        return f"keeps the true loss and gradient up to a gap of {end:,.0f}"
    said = []
    for what, words in (
        (LOSS_STAYS, f"has its loss capped at {one.loss[-1]:.2f}"),
        (GRADIENT_NOT_FINITE, f"has a gradient of {first_bad(one.gradient_at_true)}"),
        (LOSS_NOT_FINITE, f"has a loss of {first_bad(one.loss)}"),
        (GRADIENT_VANISHED, "teaches nothing"),
    ):
        if what in where:
            said.append(f"{words} from {where[what]:.4g} on")
    if GRADIENT_OFF not in where:
        said.append(f"keeps the true gradient up to {end:,.0f}")
    if not said:
        said.append(f"is off by more than 0.1 % from {min(where.values()):.4g} on")
    return ", ".join(said[:-1]) + (" and " if said[:-1] else "") + said[-1]
