"""The curves of a sweep's jobs over one another, the best ones named by what varies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from matplotlib.axes import Axes

from mnist_trainer.figures.style import (
    GREY,
    PALETTE,
    Series,
    count_updates,
    drawable_series,
    drawing,
    percentages,
    scale_for,
)

Job: TypeAlias = tuple[str, Mapping[str, Series]]
"""What it is called, and its metrics: lists of (step, value)."""
NAMED = len(PALETTE)
LABEL_CHARACTERS = 40


def job_curves(jobs: Sequence[Job], path: Path) -> None:
    """Draw each job's loss and accuracy to `path`: of the validation, or of the training if no job has one.

    The best ones by their last accuracy have a colour and a name, the others are grey.
    """
    of = "validation" if any(metrics.get("validation/accuracy") for _, metrics in jobs) else "train"
    last = {
        index: metrics[f"{of}/accuracy"][-1][1]
        for index, (_, metrics) in enumerate(jobs)
        if f"{of}/accuracy" in metrics
    }
    best = sorted(last, key=lambda index: (-last[index], index))[:NAMED]
    others = [index for index in range(len(jobs)) if index not in best]
    with drawing(path, 12, 4.8) as figure:
        loss, accuracy = figure.subplots(1, 2)
        for axes, name, label in ((loss, "loss", "cross-entropy (nats per image)"), (accuracy, "accuracy", "accuracy")):
            shown = [value for index in best for _, value in jobs[index][1].get(f"{of}/{name}", ())]
            for index in others:
                _draw(axes, jobs[index][1].get(f"{of}/{name}", ()), color=GREY, linewidth=0.8, alpha=0.5, zorder=1)
            for place, index in enumerate(best):
                title = jobs[index][0]
                named = title if len(title) <= LABEL_CHARACTERS else title[: LABEL_CHARACTERS - 1] + "…"
                series = jobs[index][1].get(f"{of}/{name}", ())
                _draw(axes, series, color=PALETTE[place], linewidth=1.8, label=f"{named}: {last[index]:.2%}")
            axes.set(title=f"{of.capitalize()} {name}", ylabel=label)
            count_updates(axes)
            if name == "loss":
                scale_for(axes, shown)
            else:
                percentages(axes)
        if best:
            accuracy.legend(
                loc="best", title=f"the last {of} accuracy" + (f"; grey: {len(others)} more" if others else "")
            )


def _draw(axes: Axes, series: Series, **style: object) -> None:
    steps, values = drawable_series(series)
    marker = "o" if len(steps) < 3 else None
    axes.plot(steps, values, marker=marker, **style)  # type: ignore[arg-type]
