"""Loss modes trained in lockstep: their curves on one another, and how far their gradients lie apart."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes

from mnist_trainer.figures.style import (
    BLUE,
    GREEN,
    GREY,
    LARGE,
    LARGER,
    LARGEST,
    ORANGE,
    PURPLE,
    VERMILLION,
    Floats,
    Record,
    count_updates,
    drawing,
    label_ends,
    mode_color,
    percentages,
    scale_for,
    words_in_axes,
)

Label: TypeAlias = tuple[str, float, str]  # text, y, colour
# The first is wide and pale, the next ones thin and broken on top of it: where curves coincide all are seen.
FIRST: Record = {"linewidth": 8.0, "alpha": 0.35}
DASHES = ((0, (4, 3)), (4, (1.5, 3)), (0, (7, 2, 1, 2)), (2, (3, 5)))


def training_curves(record: Record, path: Path) -> None:
    """Draw each mode's loss and accuracy on one another to `path`: running means over the updates, validation as dots.

    The record has `modes`, `steps`, `loss` and `accuracy` (mode: a value an update; fewer where a mode has dropped out)
    and `validation` (mode: [update, loss, accuracy]).
    """
    window = max(1, len(record["steps"]) // 60)
    with drawing(path, 14, 6.4) as figure:
        figure.suptitle("Loss modes in lockstep: the same start, the same batches", fontsize=LARGEST)
        panels = figure.subplots(1, 2)
        for axes, key, column in zip(panels, ("loss", "accuracy"), (1, 2), strict=True):
            of_modes = [_mode(axes, record, index, key, column, window) for index in range(len(record["modes"]))]
            shown = [value for of_mode in of_modes for value in of_mode]
            count_updates(axes, fontsize=LARGE)
            axes.tick_params(labelsize=12)
            _scale(axes, key, shown, of_modes[0])
            if shown:
                axes.legend(loc="best" if key == "loss" else "lower right", fontsize=LARGE)
            axes.set_title(key.capitalize(), fontsize=LARGER)
            axes.set_ylabel("nats per image" if key == "loss" else "share of the images", fontsize=LARGE)
        means = f"lines: training, mean of {window} updates; " if window > 1 else "lines: training; "
        figure.supxlabel(means + "dots: validation", fontsize=LARGE)


def gradient_differences(record: Record, path: Path) -> None:
    """Draw for each other mode how far it lies from the first one, relatively, over the updates, to `path`.

    Left: the gradients at the same parameters, in float32 and in float64, and their bounds; right: the parameters of
    the two trainings. The record's `dtype` is what they are trained in, and `differences` has for each other mode
    `logits`, `parameters`, `bound` and `drift` (a value an update), and `shadow_steps`, `shadow_logits`,
    `shadow_parameters` and `shadow_bound` (in float64). A difference of 0, to the last bit, leaves a gap.
    """
    first, *others = record["modes"]
    lines = max(1, len(others))
    with drawing(path, 15, 0.8 + 5.6 * lines) as figure:
        figure.suptitle(f"How far from {first}? Relative differences", fontsize=LARGEST)
        panels = figure.subplots(lines, 2, squeeze=False, width_ratios=(1.15, 1))
        for (same, own), mode in zip(panels, others, strict=False):
            _gradients(same, record, mode)
            _drift(own, record, mode)
        if not others:
            for axes in panels[0]:
                _relative(axes, (), first)


def _mode(axes: Axes, record: Record, index: int, key: str, column: int, window: int) -> list[float]:
    """Draw a mode's curve and dots; return what is to be seen."""
    mode = record["modes"][index]
    values = finite_part_of_curve(record[key].get(mode, ()))
    steps = np.array(record["steps"])[: len(values)]
    style: Record = FIRST if index == 0 else {"linewidth": 2.2, "linestyle": DASHES[(index - 1) % len(DASHES)]}
    stops = f" (ends after {len(values):,} updates)" if len(values) < len(record["steps"]) else ""
    smooth = running_mean_of_curve(values, window)
    axes.plot(steps, smooth, color=mode_color(index), label=mode + stops, zorder=2 + index, **style)
    if stops and len(values):
        axes.plot(steps[-1], smooth[-1], "X", color=mode_color(index), markersize=11, zorder=20)
    points = [row for row in record["validation"].get(mode, ()) if np.isfinite(row[column])]
    face = "white" if index == 0 else mode_color(index)
    axes.plot(
        [row[0] for row in points],
        [row[column] for row in points],
        linestyle="none",
        marker="o",
        markersize=11 if index == 0 else 5,
        markerfacecolor=face,
        markeredgecolor=mode_color(index),
        zorder=10 + index,
    )
    # of the accuracy not the first few updates, when it is that of chance
    late = smooth[len(smooth) // 20 if key == "accuracy" else 0 :]
    return [float(value) for value in late] + [float(row[column]) for row in points]


def _scale(axes: Axes, key: str, shown: Sequence[float], of_first: Sequence[float]) -> None:
    """Scale the y-axis; a loss that grows past ten times the first mode's greatest one leaves through the top."""
    if key == "loss":
        ceiling = 10 * max(of_first, default=math.inf)
        scale_for(axes, [value for value in shown if value <= ceiling])
        if max(shown, default=0.0) > ceiling:
            axes.set_ylim(0.7 * min(shown), ceiling)
        return
    percentages(axes)
    if shown:
        low, high = min(shown), max(shown)
        margin = max(0.05 * (high - low), 1e-3)
        axes.set_ylim(low - margin, min(high + margin, 1.002))


def _gradients(axes: Axes, record: Record, mode: str) -> None:
    found = record["differences"].get(mode, {})
    labels: list[Label] = []
    for steps, prefix, dtype, colours in (
        (record["steps"], "", record["dtype"], (VERMILLION, ORANGE)),
        (found.get("shadow_steps", ()), "shadow_", "float64", (BLUE, GREEN)),
    ):
        for key, name, colour in (("logits", "logits", colours[0]), ("parameters", "parameters", colours[1])):
            labels += _differences(axes, steps, found.get(prefix + key, ()), f"{name}, {dtype}", colour)
        bound = found.get(f"{prefix}bound", ())
        labels += _differences(axes, steps, bound, f"bound, {dtype}", GREY, dashed=True)
    axes.set_title(f"{mode}: gradients at the same parameters", fontsize=LARGER)
    _relative(axes, labels, record["modes"][0])


def _drift(axes: Axes, record: Record, mode: str) -> None:
    drift = np.array(record["differences"].get(mode, {}).get("drift", ()), dtype=np.float64)
    shown = np.where(np.isfinite(drift) & (drift > 0), drift, np.nan)
    labels: list[Label] = []
    if np.isfinite(shown).any():
        last = float(shown[np.isfinite(shown)][-1])
        rounding = float(np.finfo(record["dtype"]).eps)
        axes.plot(np.array(record["steps"])[: len(drift)], shown, color=PURPLE, linewidth=2.8)
        axes.axhline(rounding, color=GREY, linestyle="--", linewidth=1.6)
        labels = [(f"drift: {last:.2g}", last, PURPLE), (f"rounding of\n{record['dtype']}", rounding, GREY)]
    elif len(drift) and not drift.any():
        labels = [("drift: equal to the last bit", 0.0, PURPLE)]
    axes.set_title(f"{mode}: parameters, trained on its own", fontsize=LARGER)
    _relative(axes, labels, record["modes"][0])


def _differences(
    axes: Axes, steps: Sequence[int], values: Sequence[float], name: str, colour: str, *, dashed: bool = False
) -> list[Label]:
    """Draw each size as a pale dot and their running geometric mean as a line; return the line's label."""
    sizes = np.array(values, dtype=np.float64)
    along = np.array(steps)[: len(sizes)]
    drawn = np.isfinite(sizes) & (sizes > 0)  # 0, to the last bit, has no place on a logarithmic axis
    if not drawn.any():
        return [(f"{name}: equal to the last bit", 0.0, colour)] if len(sizes) and not sizes.any() else []
    axes.plot(along[drawn], sizes[drawn], color=colour, linestyle="none", marker=".", markersize=2, alpha=0.25)
    mean = np.exp(running_mean_of_curve(np.log(sizes[drawn]), max(1, int(drawn.sum()) // 60)))
    axes.plot(along[drawn], mean, color=colour, linewidth=1.6 if dashed else 2.4, linestyle="--" if dashed else "-")
    return [(name, float(mean[-1]), colour)]


def _relative(axes: Axes, labels: Sequence[Label], first: str) -> None:
    count_updates(axes, fontsize=LARGE)
    axes.set_ylabel(f"‖difference‖ / ‖{first}‖", fontsize=LARGE)
    axes.tick_params(labelsize=12)
    if axes.lines:
        axes.set_yscale("log")
        label_ends(axes, labels, fontsize=LARGE)
    else:
        words = labels[0][0] if labels else "nothing to compare"
        words_in_axes(axes, words, fontsize=LARGE)


def finite_part_of_curve(values: Sequence[float]) -> Floats:
    """Return the values before the first one that isn't finite."""
    array = np.array(values, dtype=np.float64)
    broken = np.flatnonzero(~np.isfinite(array))
    return array[: broken[0]] if broken.size else array


def running_mean_of_curve(values: Floats, window: int) -> Floats:
    """Return the means of `window` neighbours, of fewer at the ends."""
    if not values.size:
        return values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    here = np.arange(len(values))
    low, high = np.maximum(here - window // 2, 0), np.minimum(here + (window + 1) // 2, len(values))
    means: Floats = (sums[high] - sums[low]) / (high - low)
    return means
