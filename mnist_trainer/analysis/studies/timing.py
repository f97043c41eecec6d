"""Times of the losses alone, and of the training step, of several modes: interleaved, medians."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mnist_trainer.analysis.modes import Mode
from mnist_trainer.analysis.studies.stopwatch import Sampler, Samples, median, without_gc
from mnist_trainer.config import LossConfig
from mnist_trainer.words import table

BATCH_SIZES = (1, 8, 32, 128, 512, 2048, 8192)
CLASS_COUNTS = (10, 32, 100, 316, 1000)
PASSES = 3  # over all sizes: another process that is busy for a while doesn't spoil all samples of a few
MOST_ROUNDS = 35  # a pass


@dataclass(frozen=True)
class LossTiming:
    """Median seconds of a mode's forward and backward through all its nodes; NaN where the mode can't run."""

    mode: str
    batch_size: int
    classes: int
    forward_seconds: float
    backward_seconds: float

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward_seconds + self.backward_seconds


def time_losses(
    modes: Sequence[LossConfig],
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    class_counts: Sequence[int] = CLASS_COUNTS,
    seconds: float = 25.0,
) -> list[LossTiming]:
    """Time the modes at each batch size and number of classes in float32, in about `seconds` altogether.

    The sizes are gone through three times, the largest first: each takes its part of the time that is left, or one
    round of samples if that is more. The medians are over all samples of a size.
    """
    sizes = [(batch_size, classes) for classes in class_counts for batch_size in batch_sizes]
    sizes.sort(key=math.prod, reverse=True)
    visits = sizes * PASSES
    samples: dict[tuple[int, int], list[Samples]] = {size: [Samples() for _ in modes] for size in sizes}
    ends = time.perf_counter() + seconds
    for index, size in enumerate(visits):
        part = (ends - time.perf_counter()) / (len(visits) - index)
        take_samples(modes, *size, samples[size], seconds=part)
    return [
        LossTiming(config.name, batch_size, classes, median(found.forward), median(found.backward))
        for classes in class_counts
        for batch_size in batch_sizes
        for config, found in zip(modes, samples[batch_size, classes], strict=True)
    ]


def take_samples(
    modes: Sequence[LossConfig], batch_size: int, classes: int, samples: Sequence[Samples], *, seconds: float
) -> None:
    """Take samples at one size, in rounds of one a mode, with another mode first each time."""
    ends = time.perf_counter() + seconds
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((batch_size, classes), np.float32)
    logits *= 3
    labels = rng.integers(0, classes, batch_size)
    samplers = [
        Sampler(Mode(config, classes, batch_size, np.float32), logits, labels, into)
        for config, into in zip(modes, samples, strict=True)
    ]
    able = [sampler for sampler in samplers if sampler.loops]
    with without_gc():
        for round_ in range(MOST_ROUNDS if able else 0):
            for index in range(len(able)):
                able[(index + round_) % len(able)].sample()
            if time.perf_counter() > ends:
                break


def time_steps(steps: Mapping[str, Callable[[], None]], *, seconds: float = 5.0) -> dict[str, float]:
    """Return the median seconds of each training step, called in turns for so long, after 3 calls to warm up."""
    names = list(steps)
    times: dict[str, list[float]] = {name: [] for name in names}
    for step in list(steps.values()) * 3:
        step()
    ends, round_ = time.perf_counter() + seconds, 0
    with without_gc():
        while round_ < PASSES or time.perf_counter() < ends:
            for index in range(len(names)):
                name = names[(index + round_) % len(names)]
                started = time.perf_counter()
                steps[name]()
                times[name].append(time.perf_counter() - started)
            round_ += 1
    return {name: median(of_step) for name, of_step in times.items()}


def as_markdown(timings: Sequence[LossTiming], steps: Mapping[str, float]) -> list[str]:
    """Write a table of the times at the fewest classes, one of all ratios to the first mode, and one of the steps."""
    by_size = group(timings)
    fewest = min(classes for _, classes in by_size)
    modes = [timing.mode for timing in next(iter(by_size.values()))]
    heads = ["batch size", *(f"{mode} {part}" for mode in modes for part in ("forward", "backward", "both"))]
    rows = [
        [
            f"{batch_size:,}",
            *(micro(time_) for one in found for time_ in (one.forward_seconds, one.backward_seconds, one.seconds)),
        ]
        for (batch_size, classes), found in by_size.items()
        if classes == fewest
    ]
    lines = [f"Forward and backward of the losses alone, {fewest} classes, float32, µs:", "", *table(heads, rows)]
    for index, other in enumerate(modes[1:], start=1):
        lines += ["", f"{other} ÷ {modes[0]}, forward and backward together:", "", *ratios(by_size, index)]
    if steps:
        first = next(iter(steps.values()))
        cells = [[name, micro(time_), ratio(time_, first)] for name, time_ in steps.items()]
        lines += ["", "A whole training step:", "", *table(["loss", "µs", f"÷ {next(iter(steps))}"], cells)]
    return lines


def ratios(by_size: Mapping[tuple[int, int], Sequence[LossTiming]], other: int) -> list[str]:
    """Write the table of a mode's time over the first one's, a line a batch size, a column a number of classes."""
    batch_sizes = sorted({batch_size for batch_size, _ in by_size})
    class_counts = sorted({classes for _, classes in by_size})
    rows = []
    for batch_size in batch_sizes:
        found = [by_size[batch_size, classes] for classes in class_counts]
        rows.append([f"{batch_size:,}", *(ratio(one[other].seconds, one[0].seconds) for one in found)])
    return table(["batch size", *(f"{classes:,} classes" for classes in class_counts)], rows)


def group(timings: Sequence[LossTiming]) -> dict[tuple[int, int], list[LossTiming]]:
    """Return the modes' timings by (batch size, classes)."""
    by_size: dict[tuple[int, int], list[LossTiming]] = {}
    for timing in timings:
        by_size.setdefault((timing.batch_size, timing.classes), []).append(timing)
    return by_size


def micro(seconds: float) -> str:
    """Write seconds as µs, three digits at least."""
    if math.isnan(seconds):
        return "can't run"
    value = 1e6 * seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(seconds: float, first: float) -> str:
    """Write how many times as long as the first."""
    value = seconds / first
    return "–" if math.isnan(value) else f"{value:.2f}"


def sentences(timings: Sequence[LossTiming], steps: Mapping[str, float]) -> list[str]:
    """Say how the other modes' times compare to the first one's, alone and in the whole step."""
    by_size = group(timings)
    first, *others = [timing.mode for timing in next(iter(by_size.values()))]
    told = []
    for index, other in enumerate(others, start=1):
        found = [one[index].seconds / one[0].seconds for one in by_size.values()]
        found = [value for value in found if not math.isnan(value)]
        if not found:
            continue
        sentence = (
            f"Alone, {other} takes {statistics.median(found):.2f} times as long as {first} (median over the sizes; "
            f"from {min(found):.2f} to {max(found):.2f})"
        )
        if steps.get(first) and other in steps:
            sentence += (
                f", in the whole training step {steps[other] / steps[first]:.2f} times "
                f"({micro(steps[other])} and {micro(steps[first])} µs)"
            )
        told.append(sentence + ".")
    return told
