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
    drawing,
    label_ends,
    major_ticks_only,
    mode_color,
    whole_numbers,
)

# What float32 and the modes' constants predict: rows, gap, words, and on which side of the line they stand. Drawn where
# something was measured there.
THRESHOLDS = (
    ("wrong", 16.12, "clip at 1e-7", "right"),
    ("wrong", 69.08, "floor at 1e-30", "right"),
    ("wrong", 103.97, "exp is 0 in float32", "left"),
    ("right", 18.83, "Σe^z rounds to 1", "right"),
    ("right", 103.97, "exp is 0 in float32", "left"),
)
FURTHEST = {"wrong": 1000.0, "right": 60.0}  # of the errors: nothing new happens from there to 1e4
LEAST, GREATEST_ERROR = 1e-9, 30.0
WIDTHS = (11.0, 6.5, 4.4, 2.8, 1.6)


def saturation(record: Record, path: Path) -> None:
    """Draw the relative error of each mode's loss and gradient against the gap to `path`, for wrong and right rows.

    The record is that of the saturation study: `scales`, `curves` (mode, rows, loss_error, gradient_error, …) and
    `events` (mode, rows, what, scale). A curve ends at ▲ where it becomes infinite, at ✕ where it becomes NaN.
    """
    with drawing(path, 15, 10) as figure:
        figure.suptitle("Where each loss leaves the truth: float32 against a float64 reference", fontsize=LARGEST)
        panels = figure.subplots(2, 2)
        for line, rows in enumerate(("wrong", "right")):
            for axes, of in zip(panels[line], ("loss", "gradient"), strict=True):
                down_to_zero(axes, GREATEST_ERROR)
                axes.set_ylabel(
                    f"relative error of the mean {of}" if of == "loss" else f"relative error of the {of}",
                    fontsize=LARGE,
                )
                axes.set_title(f"{rows.capitalize()} images: the {of}", fontsize=LARGER, pad=12)
                _panel(axes, record, rows, f"{of}_error", FURTHEST[rows], 0.3)


def parting_of_ways(record: Record, path: Path) -> None:
    """Draw to `path` what each mode returns for wrong rows, the loss and the gradient, and the loss of right rows."""
    with drawing(path, 15, 10.5) as figure:
        figure.suptitle("The worse the mistake, the more a loss should say (float32)", fontsize=LARGEST)
        grid = figure.add_gridspec(2, 2, height_ratios=(1.35, 1))
        loss, gradient, right = (figure.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :]))
        loss.set(yscale="log", ylim=(1, FURTHEST["wrong"]))
        whole_numbers(loss.yaxis)
        gradient.set(ylim=(-1.15, 0.15))
        gradient.set_yticks([-1, -0.5, 0], ["−1: corrects\nfully", "−0.5", "0: teaches\nnothing"])
        down_to_zero(right, 3)
        for axes, rows, of, title, label, height in (
            (loss, "wrong", "loss", "Wrong images: their loss", "mean loss (nats)", 0.02),
            (gradient, "wrong", "gradient_at_true", "Wrong images: the gradient at the true class", "mean dL/dz", 0.3),
            (right, "right", "loss", "Right images: 0 · log 0 is nan, where targets are rows", "mean loss (nats)", 0.5),
        ):
            axes.set_title(title, fontsize=LARGER, pad=12)
            axes.set_ylabel(label, fontsize=LARGE)
            _panel(axes, record, rows, of, FURTHEST["wrong"], height)


def _panel(axes: Axes, record: Record, rows: str, key: str, furthest: float, height: float) -> None:
    """Draw and label what each mode's loss or gradient, or its error, is over the gaps; the axes have their limits."""
    low, high = axes.get_ylim()
    scales, labels = np.array(record["scales"]), []
    for index, curve, events in drawn_modes(record, rows):
        values = error_envelope(curve[key]) if key.endswith("error") else np.array(curve[key], dtype=np.float64)
        drawn = np.where(np.isposinf(values), high, np.clip(values, low, high))
        end = drawn[scales <= furthest]
        _line(axes, scales[scales <= furthest], end, index)
        place = float(end[np.isfinite(end)][-1]) if np.isfinite(end).any() else math.nan
        for lost, marker in ((np.isposinf(values), "^"), (np.isnan(values), "X")):
            if lost[scales <= furthest].any() and not lost[0]:
                first = int(np.argmax(lost))
                at = high if marker == "^" else drawn[first - 1]
                axes.plot(
                    scales[first],
                    at,
                    marker,
                    color=mode_color(index),
                    markersize=13,
                    markeredgecolor="white",
                    clip_on=False,
                    zorder=9,
                )
        labels.append((f"{curve['mode']}: {fate(key, curve, events, record['scales'])}", place, mode_color(index)))
    label_ends(axes, labels, fontsize=LARGE)
    _gaps(axes, record, rows, furthest, height)


def down_to_zero(axes: Axes, greatest: float) -> None:
    """Make the y-axis logarithmic, and let what is too small for it, 0 as well, lie at its end."""
    axes.set(yscale="log", ylim=(LEAST, greatest))
    axes.set_yticks([LEAST, 1e-7, 1e-5, 1e-3, 1e-1], [f"0, or\n< {LEAST:.0e}", "1e-07", "1e-05", "0.001", "0.1"])


def drawn_modes(record: Record, rows: str) -> list[tuple[int, Record, Mapping[str, float]]]:
    """List each mode's index, curve and events (what: scale) for a kind of rows."""
    curves = [one for one in record["curves"] if one["rows"] == rows]
    found: list[tuple[int, Record, Mapping[str, float]]] = []
    for index, curve in enumerate(curves):
        own = [event for event in record["events"] if (event["mode"], event["rows"]) == (curve["mode"], rows)]
        found.append((index, curve, {event["what"]: event["scale"] for event in own}))
    return found


def fate(key: str, curve: Record, events: Mapping[str, float], scales: Sequence[float]) -> str:
    """Say what becomes of a mode's loss, or of its gradient: the whole one, or its entry at the true class."""
    of = key.partition("_")[0]
    values, vanishes = curve["gradient_at_true"], events.get("gradient at the true class vanishes")
    if of == "loss":
        values, vanishes = curve["loss"], events.get("loss is 0")
    off, broken = events.get(f"{of} off by 0.1 %"), events.get(f"{of} is inf or nan")
    if off == scales[0]:
        return f"another {of}"
    if broken is not None:
        return f"{inf_or_nan_label(values)} from {broken:.3g}"
    if of == "loss" and "loss stays the same" in events:
        return f"stuck at {values[-1]:.3g}"
    if vanishes is not None:
        # An error of 1 is that of 0; otherwise the entries at the other classes are left, and drawn as well.
        errors = [error for scale, error in zip(scales, curve["gradient_error"], strict=True) if scale >= vanishes]
        some_left = key == "gradient_error" and set(errors) != {1}
        return f"{'true class ' if some_left else ''}0 from {vanishes:.3g}"
    return "only rounding" if off is None else f"off from {off:.3g}"


def inf_or_nan_label(values: Sequence[float]) -> str:
    """Write the first value that is inf or nan."""
    return next((f"{value}".replace("inf", "∞") for value in values if not math.isfinite(value)), "inf or nan")


def error_envelope(errors: Sequence[float]) -> Floats:
    """Return the largest of each error and the four before it, for rounding jumps; what is not finite stays."""
    values = np.array(errors, dtype=np.float64)
    padded = np.pad(np.where(np.isfinite(values), values, 0), (4, 0), mode="symmetric")
    return np.where(np.isfinite(values), np.lib.stride_tricks.sliding_window_view(padded, 5).max(axis=1), values)


def _line(axes: Axes, scales: Floats, values: Floats, index: int) -> None:
    """Draw a curve, thinner than the one before, so that where curves coincide all are seen."""
    width = WIDTHS[min(index, len(WIDTHS) - 1)]
    axes.plot(scales, values, color=mode_color(index), linewidth=width, alpha=0.4 if index == 0 else 1)


def _gaps(axes: Axes, record: Record, rows: str, furthest: float, height: float) -> None:
    """Label the x-axis, and mark where something is bound to happen."""
    axes.set(xscale="log", xlim=(1, furthest))
    for of_rows, gap, words, side in THRESHOLDS:
        near = [event for event in record["events"] if event["rows"] == rows and abs(event["scale"] / gap - 1) < 0.03]
        if of_rows != rows or not near or gap > furthest:
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
    axes.xaxis.set_major_locator(FixedLocator([1, 3, 10, 30, 100, 300, 1000]))
    major_ticks_only(axes.xaxis)
    whole_numbers(axes.xaxis)
    axes.tick_params(labelsize=12)
    axes.set_xlabel("gap to the largest other logit", fontsize=LARGE)
