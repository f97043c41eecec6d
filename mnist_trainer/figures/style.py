"""How all pictures look: a colour-blind-safe palette, readable sizes, and the way onto disk."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from mnist_trainer.files import replacing
from mnist_trainer.process import warnings_as

# Okabe & Ito, "Color universal design" (2008).
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MORE_COLORS = ("#000000", "#8C6D31", "#7F7F7F", "#4B0082")  # where six modes are not enough

GREY = "#555555"  # of what is no mode's

LARGE, LARGER, LARGEST = 13, 15, 18  # fonts of labels, panels' titles and a figure's title on a slide
DOTS_PER_INCH = 150
PAD = 0.12  # inches, to the edge too
SETTINGS = {
    "font.size": 11,
    "axes.titlesize": 12,
    "figure.titlesize": 13,
    "legend.fontsize": 10,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}

Floats: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
Record: TypeAlias = Mapping[str, Any]
Series: TypeAlias = Sequence[tuple[int, float]]


@contextlib.contextmanager
def drawing(path: Path | BinaryIO, width: float, height: float) -> Iterator[Figure]:
    """Give a figure of so many inches to draw on, written to `path` at the block's end, whole or not at all.

    It is a PNG but for a path that ends in .svg or .pdf. Raises `OSError` naming the file.
    """
    with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure = Figure(
            figsize=(width, height), dpi=DOTS_PER_INCH, layout=ConstrainedLayoutEngine(h_pad=PAD, w_pad=PAD)
        )
        canvas = FigureCanvasAgg(figure)
        yield figure
        with warnings_as("ignore", UserWarning):  # of signs that the font lacks, which are drawn as boxes
            draw_words(canvas)
        if isinstance(path, Path) and path.suffix in (".svg", ".pdf"):
            with whole_picture(path) as target, warnings_as("ignore", UserWarning):
                figure.savefig(target, format=path.suffix[1:])
            return
        # `savefig` would lay it out and draw it twice: 0.5 s a picture instead of 0.25 s.
        pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        with whole_picture(path) as target:
            imsave(target, np.asarray(pixels), format="png", dpi=DOTS_PER_INCH)


def draw_words(canvas: FigureCanvasAgg) -> None:
    """Draw a figure; without formulas where a name in it is taken for one, by its dollar signs, and is none."""
    try:
        canvas.draw()  # type: ignore[no-untyped-call]
    except ValueError:
        for text in canvas.figure.findobj(Text):
            text.set_parse_math(False)
        canvas.draw()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def whole_picture(path: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Give what to write to in place of a file, which it replaces if nothing breaks off the block."""
    if not isinstance(path, Path):
        yield path
        return
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def drawable_series(series: Series) -> tuple[Floats, Floats]:
    """Return steps and values; infinities as NaN, which leaves a gap in a line."""
    steps = np.array([step for step, _ in series], dtype=np.float64)
    values = np.array([value for _, value in series], dtype=np.float64)
    return steps, np.where(np.isfinite(values), values, np.nan)


def count_updates(axes: Axes, *, fontsize: float | None = None) -> None:
    """Label the x-axis as the number of updates."""
    axes.set_xlabel("updates", fontsize=fontsize)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    whole_numbers(axes.xaxis)


def whole_numbers(axis: Axis) -> None:
    """Write the ticks' numbers as 1,000."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def major_ticks_only(axis: Axis) -> None:
    """Leave a logarithmic axis's minor ticks away."""
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def logarithmic(axes: Axes) -> None:
    """Make the y-axis logarithmic, with ticks at 1, 2 and 5."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def percentages(axes: Axes) -> None:
    """Write the y-axis's shares as percentages."""
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))


def words_in_axes(axes: Axes, words: str, **options: Any) -> None:
    """Write words into the middle of axes that show nothing."""
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, **options)


def scale_for(axes: Axes, values: Sequence[float]) -> None:
    """Make the y-axis logarithmic if the values are positive and span more than a factor of ten."""
    finite = [value for value in values if np.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) > 10 * min(finite):
        logarithmic(axes)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def mode_color(index: int) -> str:
    """Return the colour of the mode at an index; after ten they begin again."""
    colors = PALETTE + MORE_COLORS
    return colors[index % len(colors)]


def label_ends(axes: Axes, labels: Sequence[tuple[str, float, str]], *, fontsize: float = 11) -> None:
    """Write labels (text, y of the curve's end, colour) right of the axes, as near to their ends as they fit.

    Comes after the axes' scale and limits are set; an end outside them is labelled at the limit.
    """
    low, high = axes.transData.transform([(1, limit) for limit in axes.get_ylim()])[:, 1]
    at = []
    for _, y, _ in labels:
        pixel = axes.transData.transform((1, y))[1] if np.isfinite(y) else high
        at.append(float(np.clip((pixel - low) / (high - low), 0, 1)))
    points = axes.get_window_extent().height / axes.get_figure(root=True).dpi * 72  # type: ignore[union-attr]
    room = 1.35 * fontsize / points
    order = sorted(range(len(labels)), key=lambda index: at[index])
    for index, after in itertools.pairwise(order):
        at[after] = max(at[after], at[index] + room)
    ceiling = 1.0
    for index in reversed(order):
        at[index] = min(at[index], ceiling)
        ceiling = at[index] - room
    for (text, _, colour), y in zip(labels, at, strict=True):
        axes.text(
            1.02,
            y,
            text,
            transform=axes.transAxes,
            va="center",
            ha="left",
            color=colour,
            fontsize=fontsize,
            weight="bold",
        )
