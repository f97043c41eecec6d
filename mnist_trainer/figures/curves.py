"""A run's learning curves: loss and accuracy against the number of updates."""

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes

from mnist_trainer.figures.style import (
    BLUE,
    GREEN,
    VERMILLION,
    Series,
    count_updates,
    drawable_series,
    drawing,
    percentages,
    scale_for,
    words_in_axes,
)


def learning_curves(metrics: Mapping[str, Series], path: Path | BinaryIO, title: str) -> None:
    """Draw `train/*` per record, `validation/*` per epoch and the last `test/*` to `path`.

    Each is a list of (step, value); losses are means over samples, in nats. A value that isn't finite leaves
    a gap, and the first such step is named.
    """
    with drawing(path, 11, 4.4) as figure:
        figure.suptitle(title)
        loss, accuracy = figure.subplots(1, 2)
        _curves(loss, metrics, "loss", "{:.4f}")
        loss.set(title="Loss", ylabel="cross-entropy (nats per image)")
        shown = [value for key in ("train/loss", "validation/loss") for _, value in metrics.get(key, ())]
        scale_for(loss, shown)
        _curves(accuracy, metrics, "accuracy", "{:.2%}")
        accuracy.set(title="Accuracy", ylabel="accuracy")
        _zoom(accuracy, metrics)
        percentages(accuracy)


def _curves(axes: Axes, metrics: Mapping[str, Series], name: str, form: str) -> None:
    train = metrics.get(f"train/{name}", ())
    validation = metrics.get(f"validation/{name}", ())
    test = metrics.get(f"test/{name}", ())
    if train:
        steps, values = drawable_series(train)
        label = "training (mean since the last record)"
        alone = "o" if np.isfinite(values).sum() == 1 else None  # a line needs two
        axes.plot(steps, values, color=BLUE, alpha=0.55, linewidth=1.0, marker=alone, markersize=4, label=label)
        broken = [step for step, value in train if not np.isfinite(value)]
        if broken:
            label = f"training not finite from update {broken[0]:,}"
            axes.axvline(broken[0], color=BLUE, linestyle=":", label=label)
    if validation:
        steps, values = drawable_series(validation)
        label = f"validation (last {form.format(validation[-1][1])})"
        axes.plot(steps, values, color=VERMILLION, marker="o", markersize=5, linewidth=2, label=label)
    if test:
        step, value = test[-1]
        label = f"test {form.format(value)}"
        axes.plot([step], [value], color=GREEN, marker="*", markersize=14, linestyle="none", label=label, zorder=3)
    count_updates(axes)
    if train or validation or test:
        axes.legend(loc="best")
    else:
        words_in_axes(axes, "nothing recorded")


def _zoom(axes: Axes, metrics: Mapping[str, Series]) -> None:
    """Leave the first few per cent of training, when accuracy is that of chance, below the picture."""
    train = [value for _, value in metrics.get("train/accuracy", ()) if np.isfinite(value)]
    others = [value for key in ("validation/accuracy", "test/accuracy") for _, value in metrics.get(key, ())]
    if len(train) + len(others) < 2:
        return
    lowest = min(([float(np.percentile(train, 5))] if train else []) + others)
    highest = max(train + others)
    margin = max(0.05 * (highest - lowest), 1e-3)
    axes.set_ylim(max(lowest - margin, -0.02), min(highest + margin, 1.02))
