"""The gradient of softmax + cross-entropy on one image: what is multiplied, what comes out, and what should not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import SubFigure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from mnist_trainer.figures.style import BLUE, GREEN, ORANGE, VERMILLION, drawing
from mnist_trainer.words import at_most

Floats: TypeAlias = NDArray[np.float64]

GREY = "#9A9A9A"
SIGNS = LinearSegmentedColormap.from_list("signs", [ORANGE, "white", BLUE])


@dataclass(frozen=True, eq=False)
class ExplanationNumbers:
    """All that is drawn; vectors are (K,), of the K classes that are shown."""

    image: NDArray[np.uint8]  # (height, width)
    title: str
    names: Sequence[str]
    true: int  # among the shown
    predicted: int
    label: str
    taken_for: str
    logits: Floats
    p: Floats
    dp: Floats
    jacobian: Floats  # (K, K)
    product: Floats
    p_minus_t: Floats
    posted: Floats
    diagonal: Floats
    visible: float  # what is smaller is not written out

    def off(self, values: Floats) -> float:
        """Return the largest difference to p − t, of the classes that are shown."""
        return float(np.abs(values - self.p_minus_t).max())


def explanation_picture(numbers: ExplanationNumbers, path: Path | BinaryIO) -> None:
    """Draw the derivation to `path`, in the proportions of a slide."""
    n = numbers
    with drawing(path, 14.4, 8.1) as figure:
        verdict = "is" if is_drawn_as_rounding(n.off(n.product), n) else "should be"
        title = f"p − t {verdict} the derivative of cross-entropy times the derivative of softmax: nothing is left out"
        figure.suptitle(title, fontsize=17, fontweight="bold")
        grid = figure.add_gridspec(1, 3, width_ratios=(2.8, 7.4, 4.2))
        for column, part in enumerate((draw_probabilities, draw_jacobian, draw_products)):
            part(figure.add_subfigure(grid[0, column]), n)


def draw_probabilities(figure: SubFigure, n: ExplanationNumbers) -> None:
    """Draw the image, z and p."""
    top, z, p = figure.subplots(3, 1, height_ratios=(1.7, 1, 1))
    top.imshow(n.image, cmap="gray_r", interpolation="nearest")
    top.set_axis_off()
    taken = f"taken for {n.taken_for}" if n.true != n.predicted else "the network agrees"
    top.set_title(f"{n.title}\nlabel {n.label}, {taken}")
    for axes, values, title, what in ((z, n.logits, "logits z", "z"), (p, n.p, "p = softmax(z)", "p")):
        axes.bar(range(len(n.names)), values, 0.7, color=[BLUE if i == n.true else GREY for i in range(len(n.names))])
        axes.set(title=title, ylabel=what)
        label_classes(axes, n)


def draw_jacobian(figure: SubFigure, n: ExplanationNumbers) -> None:
    """Draw dL/dp beside the Jacobian."""
    matrix, vector = figure.subplots(1, 2, width_ratios=(len(n.names), 1.35), sharey=True)
    draw_heat(matrix, n.jacobian, n.visible)
    draw_heat(vector, n.dp[:, np.newaxis], n.visible)
    ticks = range(len(n.names))
    matrix.set_xticks(ticks, n.names)
    matrix.set_yticks(ticks, [f"{name} true" if i == n.true else name for i, name in enumerate(n.names)])
    mark_true_class(matrix.get_xticklabels() + matrix.get_yticklabels(), n)
    vector.set(xticks=[], xlabel="dL/dp of i")
    vector.tick_params(left=False, labelleft=False)
    matrix.set(
        xlabel=f"∂ by the logit of class j (≈0: under {n.visible:.5f} in size)",
        ylabel="∂ of the probability of class i",
    )
    matrix.set_title("The derivative of softmax, J\n$J_{ij} = p_i\\,(\\delta_{ij} - p_j)$: not the diagonal alone")
    vector.set_title("dL/dp\n$-t/p$")


def draw_products(figure: SubFigure, n: ExplanationNumbers) -> None:
    """Draw the product beside p − t, and what the mistakes give instead."""
    for axes, values, what in zip(
        figure.subplots(3, 1, sharex=True, sharey=True),
        (n.product, n.posted, n.diagonal),
        ("J$^T$·dL/dp", "Posted answer: (p − t)·p(1 − p)", "Diagonal of J alone: −t/p·p(1 − p)"),
        strict=True,
    ):
        difference = n.off(values)
        equal = is_drawn_as_rounding(difference, n)
        color = GREEN if equal else VERMILLION
        pair_of_bars(axes, n, values, color)
        within = f"to within {at_most(difference, '.0e')}" if difference else "to the last bit"
        verdict = f"equal to p − t, in grey, {within}"
        if not equal:
            verdict = f"≠ p − t, in grey (off by up to {at_most(difference, drawn_number_format(difference))})"
        axes.set_title(f"{what}\n{verdict}", color=color)
        axes.set_ylabel("dL/dz")


def is_drawn_as_rounding(difference: float, n: ExplanationNumbers) -> bool:
    """Whether a difference to p − t is one of rounding."""
    return bool(difference <= 1e-9 * np.abs(n.p_minus_t).max() + 2e-15)


def pair_of_bars(axes: Axes, n: ExplanationNumbers, values: Floats, color: str) -> None:
    """Draw for each class what came out, in colour, beside p − t in grey."""
    x = np.arange(len(n.names))
    axes.bar(x - 0.2, values, 0.4, color=color)
    axes.bar(x + 0.2, n.p_minus_t, 0.4, color=GREY)
    for i, (value, right) in enumerate(zip(values, n.p_minus_t, strict=True)):
        if abs(right) > 0.2 * np.abs(n.p_minus_t).max():
            below = right < 0
            axes.annotate(
                short_number(value, "+") if value else "0",
                (i + 0.02, value),
                (0, -2 if below else 2),
                textcoords="offset points",
                ha="right",
                va="top" if below else "bottom",
                fontsize=10,
                color=color,
                fontweight="bold",
            )
    axes.margins(y=0.24)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}".replace("-", "−", 1)))
    label_classes(axes, n)


def label_classes(axes: Axes, n: ExplanationNumbers) -> None:
    """Name the classes below."""
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(n.names)), n.names)
    axes.tick_params(labelbottom=True)
    axes.set_xlabel("class")
    axes.grid(visible=False, axis="x")
    mark_true_class(axes.get_xticklabels(), n)


def draw_heat(axes: Axes, values: Floats, visible: float) -> None:
    """Draw numbers on their colours: blue above 0, orange below."""
    most = float(np.abs(values).max()) or 1.0
    axes.imshow(values, cmap=SIGNS, vmin=-most, vmax=most, aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for (i, j), value in np.ndenumerate(values):
        on_diagonal = values.shape[1] > 1 and i == j
        axes.text(
            j,
            i,
            heat_cell(value, visible),
            ha="center",
            va="center",
            fontsize=10,
            fontweight="bold" if on_diagonal else "normal",
            color="white" if value > 0.6 * most else "black",
        )


def heat_cell(value: float, visible: float) -> str:
    """Write a cell's number, without the 0 before the point, a small one's order; what no one could see is ≈0."""
    sign, size = "−" if value < 0 else "", abs(value)
    if size >= 1:
        return f"{sign}{size:.4g}" if size < 9999.5 else f"{sign}{size:.0e}"
    if size >= 0.0005:
        return sign + f"{size:.3f}".removeprefix("0")
    if size >= visible:
        return sign + f"{size:.0e}".replace("e-0", "e-")
    return "≈0" if value else "0"


def short_number(value: float, sign: str = "") -> str:
    """Write a number with two decimals, a small one with its order."""
    return f"{value:{sign}{drawn_number_format(value)}}".replace("-", "−", int(value < 0))


def drawn_number_format(value: float) -> str:
    """Return the format of a number of this size."""
    return ".2f" if abs(value) >= 0.01 else ".1e"


def mark_true_class(labels: Sequence[Any], n: ExplanationNumbers) -> None:
    """Set the true class off."""
    for index, label in enumerate(labels):
        if index % len(n.names) == n.true:
            label.set_fontweight("bold")
            label.set_color(BLUE)
