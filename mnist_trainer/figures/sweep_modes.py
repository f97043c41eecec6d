"""The curves of several loss modes over one another, each the mean of several runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes

from mnist_trainer.figures.style import PALETTE, Floats, Series, count_updates, drawing, percentages, scale_for

REFERENCE = "fused"  # the first mode if it is there, as in the paired differences
Run: TypeAlias = Mapping[str, Series]
# The first is wide and pale, the next ones thin and broken on top of it: where curves coincide all are seen.
LINES = (
    {"linewidth": 7.0, "alpha": 0.35},
    {"linewidth": 1.8, "linestyle": (0, (4, 2))},
    {"linewidth": 1.8, "linestyle": ":"},
)
PANELS = (
    ("train/loss", "Training loss", "cross-entropy (nats per image)"),
    ("validation/loss", "Validation loss", "cross-entropy (nats per image)"),
    ("validation/accuracy", "Validation accuracy", "accuracy"),
)


def mode_curves(runs: Mapping[str, Sequence[Run]], path: Path) -> None:
    """Draw the runs of each mode to `path`: a line for their mean, and a band from the least to the most.

    A run maps a metric's name to its list of (step, value).
    The last panel is the size of each mode's difference to the first one (`fused`, if present), step by step; for
    it the i-th runs of two modes belong together (all but the loss is the same). Only steps that all of a mode's
    runs recorded are drawn.
    """
    runs = dict(sorted(runs.items(), key=lambda item: item[0] != REFERENCE))
    with drawing(path, 12, 8.4) as figure:
        panels = figure.subplots(2, 2).flatten()
        for axes, (metric, title, label) in zip(panels, PANELS, strict=False):
            shown: list[float] = []
            for index, (mode, of_mode) in enumerate(runs.items()):
                shown += _mean_and_band(axes, index, mode, [run.get(metric, ()) for run in of_mode])
            axes.set(title=title, ylabel=label)
            count_updates(axes)
            if metric.endswith("loss"):
                scale_for(axes, shown)
            else:
                percentages(axes)
            if shown:
                axes.legend(loc="best")
        _differences(panels[3], runs)
        several = any(len(of_mode) > 1 for of_mode in runs.values())
        figure.suptitle(", ".join(runs) + (": mean over the runs, band from least to most" if several else ""))


def _line_style(index: int) -> dict[str, object]:
    return {"color": _mode_color(index), **LINES[min(index, len(LINES) - 1)]}


def _common_steps(series: Sequence[Series]) -> tuple[Floats, Floats]:
    """Return the steps that all have, and the values (run, step); what isn't finite is NaN."""
    records = [dict(one) for one in series if one]
    steps = sorted(set.intersection(*(set(record) for record in records))) if records else []
    values = np.array([[record[step] for step in steps] for record in records], dtype=np.float64)
    return np.array(steps, dtype=np.float64), np.where(np.isfinite(values), values, np.nan)


def _mean_and_band(axes: Axes, index: int, mode: str, series: Sequence[Series]) -> list[float]:
    steps, values = _common_steps(series)
    if not steps.size:
        return []
    mean = values.mean(axis=0)
    style = _line_style(index)
    count = len(values)
    label = f"{mode} ({_runs_label(count)})"
    marker = "o" if len(steps) < 3 else None
    axes.plot(steps, mean, label=label, marker=marker, **style)  # type: ignore[arg-type]
    if count > 1:
        axes.fill_between(
            steps, values.min(axis=0), values.max(axis=0), color=str(style["color"]), alpha=0.15, linewidth=0
        )
    return [float(value) for value in mean]


def _differences(axes: Axes, runs: Mapping[str, Sequence[Run]]) -> None:
    """Draw sizes on a logarithmic axis: differences by rounding grow by orders of magnitude."""
    first, *others = runs
    metric = "train/loss" if any(run.get("train/loss") for run in runs[first]) else "validation/loss"
    equal = []
    for index, mode in enumerate(others, start=1):
        pairs = [
            (one.get(metric, ()), other.get(metric, ())) for one, other in zip(runs[first], runs[mode], strict=False)
        ]
        pairs = [pair for pair in pairs if all(pair)]
        steps, values = _common_steps([series for pair in pairs for series in pair])
        if not steps.size:
            continue
        sizes = np.abs(values[1::2] - values[0::2])
        if np.array_equal(sizes, np.zeros_like(sizes)):
            equal.append(mode)
            continue
        mean = sizes.mean(axis=0)
        label = f"{mode} ({_runs_label(len(pairs))})"
        axes.plot(steps, np.where(mean > 0, mean, np.nan), color=_mode_color(index), linewidth=1.5, label=label)
    name = {key: title for key, title, _ in PANELS}[metric].lower()
    axes.set(title=f"Distance to {first}: mean size of the difference", ylabel=f"{name} (nats per image)")
    count_updates(axes)
    if axes.lines:
        axes.set_yscale("log")
        axes.legend(loc="best")
    remark = f"{', '.join(equal)}: equal to {first} to the last bit" if equal else "nothing to compare"
    if equal or not axes.lines:
        axes.text(0.5, 0.02, remark, ha="center", va="bottom", transform=axes.transAxes)


def _mode_color(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def _runs_label(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
