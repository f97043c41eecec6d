"""Whether a model is right as often as it says."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mnist_trainer.figures.style import BLUE, GREY, VERMILLION, drawing, percentages, whole_numbers


def reliability(
    counts: Sequence[int], confidence: Sequence[float], accuracy: Sequence[float], path: Path | BinaryIO, title: str
) -> None:
    """Draw answers sorted into equal steps of their confidence: how many are right, and how many there are.

    Where no answer is so confident, confidence and accuracy are NaN.
    """
    steps = len(counts)
    edges = np.arange(steps) / steps
    some = np.asarray(counts) > 0
    said, right = np.asarray(confidence)[some], np.asarray(accuracy)[some]
    with drawing(path, 6.4, 6.0) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        upper.set_title(title)
        upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="right as often as it says")
        upper.bar(edges[some], right, 1 / steps, align="edge", color=BLUE, alpha=0.7, label="right")
        upper.plot(said, right, "o", color=VERMILLION, label="its mean confidence")
        upper.set(ylabel="right", ylim=(0, 1.02), xlim=(0, 1))
        percentages(upper)
        upper.legend(loc="upper left")
        lower.bar(edges, counts, 1 / steps, align="edge", color=GREY)
        lower.set(xlabel="confidence: the probability of the class that it takes", ylabel="images")
        lower.set_yscale("symlog")
        whole_numbers(lower.yaxis)
