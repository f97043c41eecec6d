"""What the losses alone cost: time against batch size and against classes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from mnist_trainer.figures.style import (
    LARGE,
    LARGER,
    LARGEST,
    Record,
    drawing,
    logarithmic,
    major_ticks_only,
    mode_color,
    whole_numbers,
)

Size = tuple[int, int]  # batch size, classes
BATCH_SIZE = 128  # of the panel over classes, or the nearest that was timed


def loss_times(record: Sequence[Record], path: Path) -> None:
    """Draw forward + backward of each mode to `path`, and below it its ratio to the first mode.

    Each record has mode, batch_size, classes, forward_seconds and backward_seconds. Left: over the batch sizes, at
    the fewest classes; right: over the classes, at a batch of 128.
    """
    times: dict[str, dict[Size, float]] = {}
    for one in record:
        size = one["batch_size"], one["classes"]
        times.setdefault(one["mode"], {})[size] = 1e6 * (one["forward_seconds"] + one["backward_seconds"])
    sizes = {size for of_mode in times.values() for size in of_mode}
    with drawing(path, 13, 7.5) as figure:
        figure.suptitle("What the loss alone costs: forward and backward, float32", fontsize=LARGEST)
        panels = figure.subplots(2, 2, height_ratios=(2, 1), sharex="col", sharey="row")
        if sizes:
            fewest = min(classes for _, classes in sizes)
            batch = min((size for size, _ in sizes), key=lambda size: abs(math.log(size / BATCH_SIZE)))
            over_batches = sorted(size for size in sizes if size[1] == fewest)
            over_classes = sorted(size for size in sizes if size[0] == batch)
            _column(panels[:, 0], times, over_batches, 0, "batch size", f"{fewest} classes")
            _column(panels[:, 1], times, over_classes, 1, "classes", f"batches of {batch}")
            for above, below in panels.T:
                above.set_ylabel("time (µs)", fontsize=LARGE)
                below.set_ylabel(f"÷ {next(iter(times))}", fontsize=LARGE)
            panels[1, 0].set_ylim(0, 1.1 * panels[1, 0].get_ylim()[1])
            panels[0, 0].legend(loc="upper left", fontsize=LARGE)


def _column(
    panels: Sequence[Axes], times: Mapping[str, Mapping[Size, float]], sizes: Sequence[Size], axis: int, x: str, at: str
) -> None:
    above, below = panels
    first = next(iter(times.values()))
    along = [size[axis] for size in sizes]
    for index, (mode, of_mode) in enumerate(times.items()):
        values = [of_mode.get(size, math.nan) for size in sizes]
        above.plot(along, values, marker="o", color=mode_color(index), linewidth=2, label=mode)
        ratios = [value / first.get(size, math.nan) for value, size in zip(values, sizes, strict=True)]
        below.plot(along, ratios, marker="o", color=mode_color(index), linewidth=2)
        known = [(where, ratio) for where, ratio in zip(along, ratios, strict=True) if math.isfinite(ratio)]
        if index and known:
            below.annotate(
                f"{known[-1][1]:.2f}",
                known[-1],
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=mode_color(index),
                fontsize=LARGE,
                weight="bold",
            )
    if any(math.isfinite(of_mode.get(size, math.nan)) for of_mode in times.values() for size in sizes):
        logarithmic(above)
    above.set(xscale="log")
    above.set_title(f"Against {x}, at {at}", fontsize=LARGER)
    whole_numbers(above.yaxis)
    below.set_xlabel(x, fontsize=LARGE)
    below.set_xticks(along, [f"{value:,}" for value in along])
    for axes in panels:
        axes.tick_params(labelsize=12)
    major_ticks_only(below.xaxis)
