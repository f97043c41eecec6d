"""The saturation study: where, as the logits grow, each loss mode leaves the true value and gradient in float32.

The true class lies ever further under the largest other class ("wrong" rows), or above it ("right"); the losses'
answers are held against a float64 reference of the same float32 logits.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.studies.saturation_curves import (
    KINDS,
    Node,
    OneHotMode,
    SaturationCurve,
    Textbook,
    saturation_curve,
    saturation_scales,
)
from mnist_trainer.analysis.studies.saturation_events import (
    EVENTS,
    GRADIENT_NOT_FINITE,
    GRADIENT_OFF,
    GRADIENT_VANISHED,
    LOSS_NOT_FINITE,
    LOSS_OFF,
    LOSS_STAYS,
    LOSS_ZERO,
    UNDERFLOW,
    SaturationEvent,
    saturation_events,
)
from mnist_trainer.config import ClippedConfig, LossConfig
from mnist_trainer.words import table

CLIP = 1e-7
BESIDE = {
    "clipped": f"p clipped at {CLIP:.0e}",
    "textbook": "two nodes, p as it comes, one image at a time",
    "homework (rows)": "the homework's node, targets as one-hot rows",
}


@dataclass(frozen=True)
class Saturation:
    """The study; its scales are the gaps between the true and the largest other class."""

    scales: list[float]
    curves: list[SaturationCurve]
    events: list[SaturationEvent]
    images: int  # of each mean: one of each class
    unsmoothed: bool = False  # whether a mode has label smoothing, which the study left out
    beside: Mapping[str, str] = field(default_factory=dict)  # what stands beside the modes, in words

    @property
    def setting(self) -> str:
        """What was asked."""
        how = "in float32, without label smoothing" if self.unsmoothed else "in float32"
        beside = ", ".join(f"{name} ({words})" for name, words in self.beside.items())
        return (
            "The losses were asked alone, " + how + ", at gaps from "
            f"{self.scales[0]:g} to {self.scales[-1]:,.0f} between the true class's logit and the largest other one"
            f"{'; beside the modes: ' if beside else ''}{beside}."
        )

    def as_markdown(self) -> list[str]:
        """Write for each kind of rows a table of what first happens at which gap, a line a mode."""
        lines = [
            f"{self.setting} A number is the least gap at which something was seen: of those tried, 4 % apart or "
            "closer, narrowed down by halving. Each loss, and each gradient at the true class, is the mean of "
            f"{self.images:,} images, one of each class.",
            "",
        ]
        for rows, title in zip(KINDS, ("under", "above"), strict=True):
            found = {(event.mode, event.what): event for event in self.events if event.rows == rows}
            columns = [what for what in EVENTS if any(key[1] == what for key in found)]
            curves = [one for one in self.curves if one.rows == rows]
            cells = [
                [one.mode, *(cell(what, found.get((one.mode, what)), one, self) for what in columns)] for one in curves
            ]
            lines += [f"The true class lies this far {title} the largest other class ({rows} rows) when first:", ""]
            lines += [*table(["mode", *columns], cells), ""]
        return lines[:-1]

    def sentences(self) -> list[str]:
        """Sum the study up: what becomes of each mode in wrong rows, and where right rows' losses come to nothing."""
        wrong = [f"{one.mode} {curve_fate(one, self)}" for one in self.curves if one.rows == "wrong"]
        told = [self.setting, "Where the true class lies under another one: " + "; ".join(wrong) + "."]
        zeros = [event for event in self.events if (event.rows, event.what) == ("right", LOSS_ZERO)]
        for gap, events in groupby(sorted(zeros, key=lambda one: one.scale), key=lambda one: f"{one.scale:.4g}"):
            here = list(events)
            true_loss = self.true_loss_of_right_rows(here[0].scale)
            why = ": there Σe^z, its largest term 1, rounds to 1" if np.float32(1 + true_loss) == 1 else ""
            told.append(
                f"Where it lies above, the mean loss of {self.images:,} images, one of each class, first comes to 0 at "
                f"a gap of {gap} (the truth is {true_loss:.1e}) in {', '.join(event.mode for event in here)}{why}."
            )
        for event in self.events:
            if (event.rows, event.what) == ("right", LOSS_NOT_FINITE) and event.scale > self.scales[0]:
                loss = next(one.loss for one in self.curves if (one.mode, one.rows) == (event.mode, "right"))
                why = ", because 0 · log 0 is nan" if event.mode == "homework (rows)" else ""
                told.append(
                    f"There, too, where nothing is wrong, {event.mode} has a loss of {first_bad(loss)} "
                    f"{from_on(event, 'a gap of ')}{why}."
                )
        return told

    def true_loss_of_right_rows(self, gap: float) -> float:
        """Return the true loss where the true class lies so far above all others; its logarithm is all but linear."""
        losses = np.array(next(one.true_loss for one in self.curves if one.rows == "right"))
        known = losses > 0
        return float(np.exp(np.interp(gap, np.array(self.scales)[known], np.log(losses[known]))))


def study_saturation(modes: Sequence[LossConfig], *, classes: int = 10, seed: int = 0) -> Saturation:
    """Run the study on the modes, and on the textbook's nodes, the homework's and the gallery's `clipped` beside them.

    The targets are class indices, without label smoothing. A batch has as many rows as classes: the one size at which
    `posted_question` runs.
    """
    scales = saturation_scales()
    configs, beside = list(modes), dict(BESIDE)
    if all(config.name != "clipped" for config in configs):
        configs.append(ClippedConfig("clipped", CLIP))
    else:
        del beside["clipped"]
    modes_of_study = [LossMode(without_smoothing(config), classes, classes, np.float32) for config in configs]
    homework = OneHotMode(LossConfig("homework"), classes, classes, np.float32)
    nodes: list[Node] = [*modes_of_study, Textbook(), homework]
    curves, events = [], []
    for node in nodes:
        for rows in KINDS:
            curves.append(saturation_curve(node, rows, scales, classes, seed))
            events += saturation_events(node, curves[-1], scales, classes, seed)
    unsmoothed = any(without_smoothing(config) != config for config in modes)
    return Saturation(scales.tolist(), curves, events, classes, unsmoothed, beside)


def without_smoothing(config: LossConfig) -> LossConfig:
    """Return a loss's configuration without label smoothing, if it has one."""
    changes: Mapping[str, Any] = {"label_smoothing": 0.0} if hasattr(config, "label_smoothing") else {}
    return replace(config, **changes)


def cell(what: str, event: SaturationEvent | None, one: SaturationCurve, saturation: Saturation) -> str:
    """Write where an event happens, and for a loss that stays the same, at what."""
    if what == UNDERFLOW and np.isnan(one.probability).all():
        return "not looked at"
    if event is None:
        return "–"
    where = "from the start" if event.scale == saturation.scales[0] else f"{event.scale:.4g}"
    return f"{where} (at {one.loss[-1]:.4g})" if event.what == LOSS_STAYS else where


def first_bad(values: Sequence[float]) -> str:
    """Write the first value that isn't finite: inf, nan."""
    return next((str(value) for value in values if not math.isfinite(value)), "inf or nan")


def from_on(event: SaturationEvent, unit: str = "") -> str:
    """Write from which gap on an event is seen, or where first."""
    return f"from {unit}{event.scale:.4g} on" if event.lasts else f"first at {unit}{event.scale:.4g}"


def curve_fate(one: SaturationCurve, saturation: Saturation) -> str:
    """Say in a few words what becomes of a mode in wrong rows."""
    start, end = saturation.scales[0], saturation.scales[-1]
    events = {event.what: event for event in saturation.events if (event.mode, event.rows) == (one.mode, "wrong")}
    where = {what: event.scale for what, event in events.items()}
    if where.get(LOSS_NOT_FINITE) == start:
        return "has no finite loss from the start"
    if where.get(LOSS_OFF) == start:
        return "has another loss from the start"
    if where.get(GRADIENT_OFF) == start:
        return "has another gradient from the start"
    if not where.keys() & {LOSS_OFF, GRADIENT_OFF}:
        return f"keeps the true loss and gradient up to {end:,.0f}, the largest gap tried"
    said = []
    for what, words in (
        (LOSS_STAYS, f"has its loss capped at {one.loss[-1]:.2f}"),
        (GRADIENT_NOT_FINITE, f"has a gradient of {first_bad(one.gradient_at_true)}"),
        (LOSS_NOT_FINITE, f"has a loss of {first_bad(one.loss)}"),
        (GRADIENT_VANISHED, "teaches nothing"),
    ):
        if what in where:
            said.append(f"{words} {from_on(events[what])}")
    if GRADIENT_OFF not in where:
        said.append(f"keeps the true gradient up to {end:,.0f}")
    if not said:
        first = min((events[what] for what in (LOSS_OFF, GRADIENT_OFF) if what in events), key=lambda one: one.scale)
        said.append(f"is off by more than 0.1 % {from_on(first)}")
    return ", ".join(said[:-1]) + (" and " if said[:-1] else "") + said[-1]
