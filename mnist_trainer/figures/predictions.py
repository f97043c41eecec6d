"""What a network saw, beside the probabilities that it gave."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from mnist_trainer.figures.style import BLUE, GREEN, GREY, VERMILLION, drawing

MOST_IMAGES = 24
COLUMNS = 3


def seen_images(
    images: Sequence[NDArray[Any]],
    probabilities: Sequence[Sequence[float]],
    class_names: Sequence[str],
    titles: Sequence[str],
    path: Path | BinaryIO,
    *,
    labels: Sequence[int] | None = None,
    heading: str = "",
) -> None:
    """Draw the first images (height, width) and their probabilities to `path`; with `labels`, the true class in green.

    What the network takes an image for is blue, or vermillion if that is wrong.
    """
    shown = min(len(images), MOST_IMAGES)
    columns = min(shown, COLUMNS)
    rows = math.ceil(shown / columns)
    with drawing(path, 4.6 * columns, 2.1 * rows + 0.3) as figure:
        first = f"the first {shown} of {len(images):,}" if shown < len(images) else ""
        if heading or first:
            figure.suptitle(heading or first)
        grid = figure.subplots(rows, 2 * columns, squeeze=False, width_ratios=[1, 1.35] * columns)
        for axes in grid.flat[2 * shown :]:
            axes.set_axis_off()
        for index in range(shown):
            left, right = grid.flat[2 * index : 2 * index + 2]
            left.imshow(images[index], cmap="gray", vmin=0, vmax=255)
            left.set_axis_off()
            left.set_title(titles[index] if len(titles[index]) <= 34 else "…" + titles[index][-33:], fontsize=10)
            shares = probabilities[index]
            top = max(range(len(shares)), key=shares.__getitem__)
            colors = [GREY] * len(shares)
            colors[top] = BLUE
            if labels is not None and labels[index] != top:
                colors[top], colors[labels[index]] = VERMILLION, GREEN
            right.bar(range(len(shares)), shares, color=colors)
            right.set(ylim=(0, 1), yticks=[0, 0.5, 1])
            right.tick_params(labelsize=8)
            names = [name if len(name) <= 8 else name[:7] + "…" for name in class_names]
            few = len(names) <= 20
            wide = max(map(len, names)) > 2
            right.set_xticks(range(len(names)) if few else [], names if few else [], rotation=90 if wide else 0)
