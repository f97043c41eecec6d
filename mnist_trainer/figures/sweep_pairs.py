"""Paired differences between loss modes: each pair as a dot, their mean and its confidence interval as a bar."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mnist_trainer.figures.style import BLUE, VERMILLION, drawing

MOST_ROWS = 8
MOST_NAMED = 12
MEAN = 0.4  # its height, below the seeds
PANELS = (
    ("test_accuracy", "difference in test accuracy", "percentage points", 100, 0.1),
    ("test_loss", "difference in test loss", "nats per image", 1, 0.001),
)
SMALL = 1e-3  # below it the axis counts in a power of ten


def paired_differences(comparisons: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the comparisons of a sweep to `path`: a row for each, with test accuracy at the left and test loss.

    A comparison has `mode`, `reference`, `setting`, `seeds`, and for `test_accuracy` (a fraction) and `test_loss`
    a mapping of `values` (one for each seed), `mean`, and `low` and `high` (None without an interval). Each panel
    has a scale of its own, since a mistake's differences are far larger than those by rounding. Comparisons without
    pairs are left out.
    """
    found = [each for each in comparisons if each["seeds"]]
    shown = found[:MOST_ROWS]
    lines = [min(len(each["seeds"]), MOST_NAMED) + 3 for each in shown]
    with drawing(path, 12, 1.6 + sum(0.25 * count + 0.75 for count in lines)) as figure:
        rows = figure.subplots(len(shown), len(PANELS), squeeze=False, height_ratios=lines)
        for each, row in zip(shown, rows, strict=True):
            for axes, (key, label, unit, factor, least) in zip(row, PANELS, strict=True):
                _differences(axes, each["seeds"], each[key], factor)
                _scale(axes, [factor * value for value in _drawn(each[key])], least, f"{label} ({{}}{unit})")
            row[1].set_yticklabels([])
            title = f"{each['mode']} − {each['reference']}"
            row[0].set_title("\n".join(filter(None, [title, each["setting"]])), loc="left", fontweight="bold")
        title = (
            "What the loss alone changes: runs of the same seed, subtracted, and the mean's 95 % confidence interval"
        )
        left = len(found) - len(shown)
        figure.suptitle(title + (f"\n(the first {len(shown)} of {len(found)} comparisons)" if left else ""))


def _differences(axes: Axes, seeds: Sequence[int], numbers: Mapping[str, Any], factor: float) -> None:
    """Draw one dot a line, the first seed at the top, and below them the mean."""
    values = [factor * value for value in numbers["values"]]
    count = len(values)
    step = min(1.0, MOST_NAMED / count)
    heights = [1 + step * (count - index) for index in range(count)]
    axes.plot([0, 0], [-0.4, heights[0] + 0.7], color="black", linewidth=1.2, zorder=1)
    axes.plot(values, heights, "o", color=BLUE, markersize=7, alpha=0.85)
    mean, low, high = factor * numbers["mean"], numbers["low"], numbers["high"]
    if low is not None and high is not None:
        bar = [[mean - factor * low], [factor * high - mean]]
        axes.errorbar([mean], [MEAN], xerr=bar, color=VERMILLION, linewidth=3, capsize=7, capthick=2)
    if count > 1:
        axes.plot([mean], [MEAN], "D", color=VERMILLION, markersize=9)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    axes.text(0.99, 0.98, _pairs_remark(numbers), ha="right", va="top", transform=axes.transAxes, bbox=box)
    named = [f"seed {seed}" for seed in seeds] if count <= MOST_NAMED else [f"{count} seeds"]
    places = heights if count <= MOST_NAMED else [sum(heights) / count]
    axes.set_yticks([*places, *([MEAN] if count > 1 else [])], [*named, *(["mean"] if count > 1 else [])])
    axes.set_ylim(-0.4, heights[0] + 1.8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


def _drawn(numbers: Mapping[str, Any]) -> list[float]:
    return [*numbers["values"], *(numbers[end] for end in ("low", "high") if numbers[end] is not None)]


def _pairs_remark(numbers: Mapping[str, Any]) -> str:
    values, low, high = numbers["values"], numbers["low"], numbers["high"]
    if len(values) == 1:
        return "one pair: no interval"
    if not any(values):
        return f"equal in all {len(values)} pairs"
    if low is None or high is None:
        return f"the same in all {len(values)} pairs: no interval"
    return "0 is in the interval: no difference can be told" if low <= 0 <= high else "the interval leaves 0 out"


def _scale(axes: Axes, values: Sequence[float], least: float, label: str) -> None:
    """Show 0 and all values, with a margin; of zeros alone, as far as `least` on either side."""
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.08 * (high - low) or least
    axes.set_xlim(low - margin, high + margin)
    size = max(high, -low)
    power = math.floor(math.log10(size)) if 0 < size < SMALL else 0
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    signed = FuncFormatter(lambda value, _: f"{value / 10.0**power:+.4g}".replace("-", "−") if value else "0")
    axes.xaxis.set_major_formatter(signed)
    axes.set_xlabel(label.format(f"$10^{{{power}}}$ " if power else ""))
