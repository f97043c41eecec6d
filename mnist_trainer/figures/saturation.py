"""The parting of ways: what becomes of each loss mode in float32 as the gap between the logits grows."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from mnist_trainer.figures.style import (
    GREY,
    LARGE,
    LARGER,
    LARGEST,
    Floats,
    Record,
    color,
    label_ends,
    major_ticks_only,
    picture,
    whole_numbers,
)

# What float32 and the modes' constants predict: rows, gap, words, and on which side of the line they stand. Drawn where
# something was measured there.
THRESHOLDS = (
    ("wrong", 16.12, "clip at 1e-7", "right"),
    ("wrong", 69.08, "floor at 1e-30", "right"),
    ("wrong", 103.97, "exp is 0 in float32", "left"),
    ("right", 16.64, "p rounds to 1", "right"),
)
FURTHEST = {"wrong": 1000.0, "right": 60.0}  # nothing new happens from there to 1e4
LEAST_ERROR, GREATEST_ERROR = 1e-9, 30.0
WIDTHS = (11.0, 6.5, 4.4, 2.6)


def saturation(record: Record, path: Path) -> None:
    """Draw the relative error of each mode's loss and gradient against the gap to `path`, for wrong and right rows.

    The record is that of the saturation study: `scales`, `curves` (mode, rows, loss_error, gradient_error, …) and
    `events` (mode, rows, what, scale). What is not finite leaves the panel through its top.
    """
    with picture(path, 15, 10) as figure:
        figure.suptitle("Where each loss leaves the truth: float32 against a float64 reference", fontsize=LARGEST)
        panels = figure.subplots(2, 2)
        for line, (rows, side) in enumerate((("wrong", "under"), ("right", "above"))):
            for axes, of in zip(panels[line], ("loss", "gradient"), strict=True):
                labels = []
                for index, curve, events in modes(record, rows):
                    errors = largest_nearby(curve[f"{of}_error"])
                    _line(axes, record, rows, np.clip(errors, LEAST_ERROR, 1e3), index)
                    end = _end(record, rows, errors)
                    labels.append(
                        (f"{curve['mode']}: {fate(of, curve, events, record['scales'][0])}", end, color(index))
                    )
                axes.set(yscale="log", ylim=(LEAST_ERROR, GREATEST_ERROR))
                axes.set_title(f"{of.capitalize()}: true class {side} the largest other", fontsize=LARGER, pad=12)
                label_ends(axes, labels, fontsize=LARGE)
                _gaps(axes, record, rows, 0.3)
            panels[line, 0].set_ylabel("relative error", fontsize=LARGE)


def parting_of_ways(record: Record, path: Path) -> None:
    """Draw what each mode returns for wrong rows to `path`: the loss, and the gradient at the true class, N-fold."""
    with picture(path, 15, 6.2) as figure:
        figure.suptitle("The worse the mistake, the more a loss should say (float32)", fontsize=LARGEST)
        loss, gradient = figure.subplots(1, 2)
        losses, gradients = [], []
        for index, curve, events in modes(record, "wrong"):
            start = record["scales"][0]
            of_loss, at_true = np.array(curve["loss"]), np.array(curve["gradient_at_true"])
            _line(loss, record, "wrong", np.where(np.isfinite(of_loss), of_loss, 1e6), index)
            _line(gradient, record, "wrong", at_true, index)
            end = _end(record, "wrong", np.where(np.isfinite(of_loss), of_loss, math.inf))
            losses.append((f"{curve['mode']}: {fate('loss', curve, events, start)}", end, color(index)))
            last = at_true[np.isfinite(at_true)]
            place = float(last[-1]) if last.size else math.nan
            gradients.append((f"{curve['mode']}: {fate('gradient', curve, events, start)}", place, color(index)))
            if last.size < at_true.size:
                gradient.plot(record["scales"][max(last.size - 1, 0)], place, "X", color=color(index), markersize=12)
        loss.set(yscale="log", ylim=(1, FURTHEST["wrong"]))
        whole_numbers(loss.yaxis)
        gradient.set(ylim=(-1.15, 0.15))
        gradient.set_yticks([-1, -0.5, 0], ["−1: corrects\nfully", "−0.5", "0: teaches\nnothing"])
        for axes, title, labels in (
            (loss, "Loss of an image (nats)", losses),
            (gradient, "Gradient at its true class", gradients),
        ):
            axes.set_title(title, fontsize=LARGER, pad=12)
            label_ends(axes, labels, fontsize=LARGE)
            _gaps(axes, record, "wrong", 0.02 if axes is loss else 0.3)


def modes(record: Record, rows: str) -> list[tuple[int, Record, Mapping[str, float]]]:
    """List each mode's index, curve and events (what: scale) for a kind of rows."""
    curves = [one for one in record["curves"] if one["rows"] == rows]
    found: list[tuple[int, Record, Mapping[str, float]]] = []
    for index, curve in enumerate(curves):
        own = [event for event in record["events"] if (event["mode"], event["rows"]) == (curve["mode"], rows)]
        found.append((index, curve, {event["what"]: event["scale"] for event in own}))
    return found


def fate(of: str, curve: Record, events: Mapping[str, float], start: float) -> str:
    """Say what becomes of a mode's loss, or of its gradient."""
    values, vanishes = curve["gradient_at_true"], events.get("gradient at the true class vanishes")
    if of == "loss":
        values, vanishes = curve["loss"], events.get("loss is 0")
    off, broken = events.get(f"{of} off by 0.1 %"), events.get(f"{of} is inf or nan")
    if off == start:
        return f"another {of}"
    if broken is not None:
        return f"{first_not_finite(values)} from {broken:.0f}"
    if of == "loss" and "loss stays the same" in events:
        return f"stuck at {values[-1]:.3g}"
    if vanishes is not None:
        return f"0 from {vanishes:.0f}"
    return "only rounding" if off is None else f"off from {off:.0f}"


def first_not_finite(values: Sequence[float]) -> str:
    """Write the first value that is inf or nan."""
    return next((f"{value}".replace("inf", "∞") for value in values if not math.isfinite(value)), "inf or nan")


def largest_nearby(errors: Sequence[float]) -> Floats:
    """Return the largest of each error and the four before it: rounding jumps; infinity for what is not finite."""
    values = np.array(errors)
    finite = np.isfinite(values)
    padded = np.pad(np.where(finite, values, 0), (4, 0), mode="symmetric")
    return np.where(finite, np.lib.stride_tricks.sliding_window_view(padded, 5).max(axis=1), math.inf)


def _line(axes: Axes, record: Record, rows: str, values: Floats, index: int) -> None:
    """Draw a curve, thinner than the one before, so that where curves coincide all are seen."""
    scales = np.array(record["scales"])
    shown = scales <= FURTHEST[rows]
    width = WIDTHS[min(index, len(WIDTHS) - 1)]
    axes.plot(scales[shown], values[shown], color=color(index), linewidth=width, alpha=0.4 if index == 0 else 1)


def _end(record: Record, rows: str, values: Floats) -> float:
    return float(values[np.array(record["scales"]) <= FURTHEST[rows]][-1])


def _gaps(axes: Axes, record: Record, rows: str, height: float) -> None:
    """Label the x-axis, and mark where something is bound to happen."""
    axes.set(xscale="log", xlim=(1, FURTHEST[rows]))
    for of_rows, gap, words, side in THRESHOLDS:
        near = [event for event in record["events"] if event["rows"] == rows and abs(event["scale"] / gap - 1) < 0.03]
        if of_rows != rows or not near:
            continue
        axes.axvline(gap, color=GREY, linestyle=":", linewidth=1.5, zorder=0)
        axes.annotate(
            words,
            (gap, height),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if side == "right" else 3, 0),
            textcoords="offset points",
            rotation=90,
            ha=side,
            va="bottom",
            color=GREY,
            fontsize=11,
        )
    axes.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100, 300, 1000]))
    major_ticks_only(axes.xaxis)
    whole_numbers(axes.xaxis)
    axes.tick_params(labelsize=12)
    axes.set_xlabel("gap between the two logits", fontsize=LARGE)
