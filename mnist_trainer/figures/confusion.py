"""A confusion matrix: which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mnist_trainer.figures.style import drawing

MOST_CLASSES_WITH_DIGITS = 20


def confusion_matrix(
    matrix: Sequence[Sequence[int]], class_names: Sequence[str], path: Path | BinaryIO, title: str
) -> None:
    """Draw counts (true class, predicted class) to `path`.

    A cell's colour is its share of its row, its true class. The scale ends at the most frequent
    mistake: the diagonal, far above it, is left grey, so that it doesn't drown out the mistakes.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    classes = len(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    mistakes = np.ma.masked_array(100 * shares, mask=np.eye(classes, dtype=bool))
    ends_at = float(mistakes.max()) if classes > 1 and mistakes.max() > 0 else 1.0
    right, total = int(np.trace(counts)), int(counts.sum())
    side = 7.2 if classes > 6 else 5.2
    with drawing(path, side + 0.8, side) as figure:
        axes = figure.subplots()
        axes.set_title(f"{title}\n{total - right:,} mistakes on {total:,} images ({right / max(total, 1):.2%} right)")
        axes.set_facecolor("#DDDDDD")
        image = axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=ends_at)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        figure.colorbar(image, ax=axes, shrink=0.8, label="mistakes: % of the true class's images")
        axes.set(xlabel="predicted class", ylabel="true class")
        if classes <= MOST_CLASSES_WITH_DIGITS:
            wide = max(map(len, class_names), default=0) > 3
            axes.set_xticks(range(classes), class_names, rotation=45 if wide else 0, ha="right" if wide else "center")
            axes.set_yticks(range(classes), class_names)
            for (row, column), count in np.ndenumerate(counts):
                if count:
                    dark = row != column and 100 * shares[row, column] > 0.6 * ends_at
                    axes.text(
                        column,
                        row,
                        f"{count:,}" if classes <= 12 else f"{count}",
                        ha="center",
                        va="center",
                        fontsize=10,
                        color="white" if dark else "black",
                        fontweight="bold" if row == column else "normal",
                    )
