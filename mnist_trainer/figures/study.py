"""The pictures of a study: its trials one after the other, their curves, what mattered, and which values are good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mnist_trainer.figures.style import BLUE, GREY, VERMILLION, drawing, scale_for, words_in_axes

DARK_LOW, DARK_HIGH = "viridis", "viridis_r"
"""What is good is dark: a light line is hardly seen on white."""
ROOM = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
"""Behind a word that lines go through."""


@dataclass(frozen=True)
class TrialLine:
    """What is drawn of a trial; `value` is None unless it has finished."""

    number: int
    value: float | None
    pruned: bool
    params: Mapping[str, float | str]
    curve: Sequence[Sequence[float]] = field(default=())
    """Pairs of epoch and value."""


@dataclass(frozen=True)
class StudyLines:
    """A study to draw; its `objective` is the first one."""

    objective: str
    minimized: bool
    keys: Sequence[str]
    importance: Mapping[str, float]
    trials: Sequence[TrialLine]

    @property
    def finished(self) -> list[TrialLine]:
        """The trials with a value."""
        return [each for each in self.trials if each.value is not None]


def study_history(study: StudyLines, path: Path) -> None:
    """Draw each trial's value with the best so far, and the curves by epoch, a pruned trial's in another colour."""
    with drawing(path, 12, 4.6) as figure:
        left, right = figure.subplots(1, 2)
        _history(left, study)
        _curves(right, study)


def study_parameters(study: StudyLines, path: Path) -> None:
    """Draw how much each hyperparameter mattered, and every finished trial as a line across its values."""
    with drawing(path, 12, 4.6) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 2))
        _importance(left, study)
        _parallel(figure, right, study)


def _history(axes: Axes, study: StudyLines) -> None:
    done = study.finished
    axes.set(title="Trials and the best so far", xlabel="trial", ylabel=study.objective)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not done:
        words_in_axes(axes, "no trial has finished")
        return
    numbers, values = [each.number for each in done], np.array([each.value for each in done], dtype=np.float64)
    axes.plot(numbers, values, "o", color=BLUE, markersize=5, alpha=0.7, label="finished")
    pruned = [each for each in study.trials if each.pruned and each.curve]
    if pruned:
        ends = [each.curve[-1][1] for each in pruned]
        axes.plot(
            [each.number for each in pruned], ends, "x", color=VERMILLION, markersize=5, label="pruned, at its end"
        )
    best = (np.minimum if study.minimized else np.maximum).accumulate(values)
    axes.step(numbers, best, where="post", color=GREY, label="best so far")
    scale_for(axes, [float(value) for value in values])
    axes.legend(loc="best")


def _curves(axes: Axes, study: StudyLines) -> None:
    axes.set(title="Curves of all trials", xlabel="epoch", ylabel=study.objective)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawn: list[float] = []
    told: set[str] = set()
    for each in study.trials:
        if not each.curve:
            continue
        name, color = ("pruned", VERMILLION) if each.pruned else ("not pruned", BLUE)
        epochs, values = [pair[0] for pair in each.curve], [pair[1] for pair in each.curve]
        label = None if name in told else name
        mark: dict[str, Any] = {"marker": "x", "markersize": 5, "markevery": [-1]} if each.pruned else {}
        axes.plot(epochs, values, color=color, alpha=0.7, linewidth=1.2, label=label, **mark)
        told.add(name)
        drawn += values
    if not drawn:
        words_in_axes(axes, "no trial has reported an epoch")
        return
    scale_for(axes, drawn)
    axes.legend(loc="best")


def _importance(axes: Axes, study: StudyLines) -> None:
    axes.set(title="Importance", xlabel=f"share for {study.objective}")
    if not study.importance:
        words_in_axes(axes, "told at the study's end,\nof four finished trials or more")
        axes.set(xlabel="", xticks=[], yticks=[])
        return
    ordered = sorted(study.importance.items(), key=lambda item: item[1])
    axes.barh([key for key, _ in ordered], [value for _, value in ordered], color=BLUE)
    axes.grid(axis="y", visible=False)


def _parallel(figure: Figure, axes: Axes, study: StudyLines) -> None:
    axes.set_title("Finished trials across their values")
    done = study.finished
    if not done:
        words_in_axes(axes, "no trial has finished")
        return
    values = np.array([each.value for each in done], dtype=np.float64)
    order = np.argsort(-values if study.minimized else values)  # the best on top
    norm = Normalize(float(values.min()), float(values.max()))
    colors = ScalarMappable(norm, DARK_LOW if study.minimized else DARK_HIGH)
    scales = [_Scale.of([each.params[key] for each in done if key in each.params]) for key in study.keys]
    for index in order:
        each = done[index]
        heights = [
            scale.height(each.params[key]) if key in each.params else np.nan
            for key, scale in zip(study.keys, scales, strict=True)
        ]
        axes.plot(range(len(study.keys)), heights, color=colors.to_rgba(values[index]), alpha=0.7, linewidth=1.4)
    for column, scale in enumerate(scales):
        for height, text in scale.ticks():
            axes.text(column + 0.02, height, text, fontsize=8, va="center", color=GREY, bbox=ROOM)
    axes.set_xticks(range(len(study.keys)), study.keys)
    axes.spines["left"].set_visible(False)
    axes.set(yticks=[], ylim=(-0.05, 1.05), xlim=(-0.1, len(study.keys) - 0.6))
    figure.colorbar(colors, ax=axes, label=study.objective)


@dataclass(frozen=True)
class _Scale:
    """Where a hyperparameter's values stand on its axis, from 0 to 1: numbers by size, or by their logarithm; words."""

    words: Sequence[str] = ()
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False

    @classmethod
    def of(cls, values: Sequence[float | str]) -> "_Scale":
        numbers = [float(value) for value in values if not isinstance(value, str)]
        if len(numbers) < len(values) or not numbers:
            return cls(words=sorted({str(value) for value in values}))
        low, high = min(numbers), max(numbers)
        return cls(low=low, high=high, logarithmic=low > 0 and high > 10 * low)

    def height(self, value: float | str) -> float:
        if self.words:
            return self.words.index(str(value)) / max(1, len(self.words) - 1) if len(self.words) > 1 else 0.5
        low, high, at = (np.log(x) if self.logarithmic else x for x in (self.low, self.high, float(value)))
        return float((at - low) / (high - low)) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        if self.words:
            return [(self.height(word), word) for word in self.words]
        ends = dict.fromkeys((self.low, self.high))
        return [(self.height(end), f"{end:.3g}") for end in ends]
