"""Times of the losses alone, and of the training step, of several modes: interleaved, lower quartiles."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mnist_trainer.analysis.studies.stopwatch import TimeSamples, call_in_turns, quartile_time, take_time_samples
from mnist_trainer.config import LossConfig
from mnist_trainer.words import signed, table

BATCH_SIZES = (1, 8, 32, 128, 512, 2048, 8192)
CLASS_COUNTS = (10, 32, 100, 316, 1000)
PASSES = 3  # over all sizes: another process that is busy for a while doesn't spoil all samples of a few


@dataclass(frozen=True)
class LossTiming:
    """Seconds of a mode's forward and backward through all its nodes (`quartile_time`); NaN where it can't run."""

    mode: str
    batch_size: int
    classes: int
    forward_seconds: float
    backward_seconds: float

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward_seconds + self.backward_seconds

    @property
    def cells(self) -> list[str]:
        """The three in µs, for a table."""
        return [microseconds(self.forward_seconds), microseconds(self.backward_seconds), microseconds(self.seconds)]


@dataclass(frozen=True)
class Timing:
    """The times of the losses alone, and the seconds of the training step with each, on a batch of its own size."""

    losses: list[LossTiming]
    steps: dict[str, float]
    batch_size: int
    classes: int

    def as_markdown(self) -> list[str]:
        """Write tables of the times at the fewest classes, of all ratios to the first mode, and of the steps."""
        by_size = group_timings(self.losses)
        fewest = min(classes for _, classes in by_size)
        modes = [timing.mode for timing in next(iter(by_size.values()))]
        heads = ["batch size", *(f"{mode} {part}" for mode in modes for part in ("forward", "backward", "both"))]
        rows = [
            [f"{batch_size:,}", *(cell for one in found for cell in one.cells)]
            for (batch_size, classes), found in by_size.items()
            if classes == fewest
        ]
        lines = [f"Forward and backward of the losses alone, {fewest} classes, float32, µs:", "", *table(heads, rows)]
        for index, other in enumerate(modes[1:], start=1):
            lines += ["", f"{other} ÷ {modes[0]}, forward and backward together:", "", *time_ratios(by_size, index)]
        if self.steps:
            first = next(iter(self.steps.values()))
            cells = [[name, microseconds(time_), ratio(time_ / first)] for name, time_ in self.steps.items()]
            lines += ["", "A whole training step:", "", *table(["loss", "µs", f"÷ {next(iter(self.steps))}"], cells)]
        return lines

    def sentences(self) -> list[str]:
        """Say how the other modes' times compare to the first one's, alone and in the whole step."""
        by_size = group_timings(self.losses)
        first, *others = [timing.mode for timing in next(iter(by_size.values()))]
        told = []
        for index, other in enumerate(others, start=1):
            found = [value for one in by_size.values() if not math.isnan(value := times_as_long(one, index))]
            if not found:
                continue
            sentence = (
                f"Alone, {other} takes {statistics.median(found):.2f} times as long as {first} (median over the sizes; "
                f"from {min(found):.2f} to {max(found):.2f})"
            )
            if self.steps.get(first) and other in self.steps:
                difference = timed_microseconds(self.steps[other]) - timed_microseconds(self.steps[first])
                sentence += (
                    f", in the whole training step {self.steps[other] / self.steps[first]:.2f} times "
                    f"({microseconds(self.steps[other])} and {microseconds(self.steps[first])} µs, "
                    f"a difference of {signed(difference, ',.0f')} µs; "
                    f"{self.explained_by_losses(by_size, index)})"
                )
            told.append(sentence + ".")
        return told

    def explained_by_losses(self, by_size: Mapping[tuple[int, int], Sequence[LossTiming]], index: int) -> str:
        """Say how much of the difference of two steps is that of the losses alone, at the nearest size measured."""

        def how_far(size: tuple[int, int]) -> float:
            return abs(math.log(size[0] / self.batch_size)) + abs(math.log(size[1] / self.classes))

        size = min((one for one, found in by_size.items() if times_as_long(found, index) > 0), key=how_far)
        first, other = by_size[size][0], by_size[size][index]
        apart, alone = self.steps[other.mode] - self.steps[first.mode], other.seconds - first.seconds
        said = f"the losses alone differ by {signed(1e6 * alone, ',.0f')} µs"
        if how_far(size):
            said += f" in batches of {size[0]:,} with {size[1]:,} classes"
        return f"{said}, the rest may be noise" if abs(apart - alone) > abs(alone) else said


def time_losses(
    modes: Sequence[LossConfig],
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    class_counts: Sequence[int] = CLASS_COUNTS,
    seconds: float = 25.0,
) -> list[LossTiming]:
    """Time the modes at each batch size and number of classes in float32, in about `seconds` altogether.

    The sizes are gone through three times, the largest first: each takes its part of the time that is left, or one
    round of samples if that is more. The quartiles are over all samples of a size.
    """
    sizes = [(batch_size, classes) for classes in class_counts for batch_size in batch_sizes]
    sizes.sort(key=math.prod, reverse=True)
    visits = sizes * PASSES
    samples: dict[tuple[int, int], list[TimeSamples]] = {size: [TimeSamples() for _ in modes] for size in sizes}
    ends = time.perf_counter() + seconds
    for index, size in enumerate(visits):
        part = (ends - time.perf_counter()) / (len(visits) - index)
        take_time_samples(modes, *size, samples[size], seconds=part)
    return [
        LossTiming(config.name, batch_size, classes, quartile_time(found.forward), quartile_time(found.backward))
        for classes in class_counts
        for batch_size in batch_sizes
        for config, found in zip(modes, samples[batch_size, classes], strict=True)
    ]


def time_steps(steps: Mapping[str, Callable[[], None]], *, seconds: float = 5.0) -> dict[str, float]:
    """Return the `quartile_time` of each training step, called in turns for so many seconds, after 3 to warm up."""
    times: dict[str, list[float]] = {name: [] for name in steps}

    def timed(name: str) -> None:
        started = time.perf_counter()
        steps[name]()
        times[name].append(time.perf_counter() - started)

    for step in list(steps.values()) * 3:
        step()
    call_in_turns([partial(timed, name) for name in steps], seconds=seconds, least=PASSES)
    return {name: quartile_time(of_step) for name, of_step in times.items()}


def time_ratios(by_size: Mapping[tuple[int, int], Sequence[LossTiming]], other: int) -> list[str]:
    """Write the table of a mode's time over the first one's, a line a batch size, a column a number of classes."""
    batch_sizes = sorted({batch_size for batch_size, _ in by_size})
    class_counts = sorted({classes for _, classes in by_size})
    rows = [
        [f"{batch_size:,}", *(ratio(times_as_long(by_size[batch_size, classes], other)) for classes in class_counts)]
        for batch_size in batch_sizes
    ]
    return table(["batch size", *(f"{classes:,} classes" for classes in class_counts)], rows)


def times_as_long(found: Sequence[LossTiming], other: int) -> float:
    """Return a mode's time over the first one's."""
    return found[other].seconds / found[0].seconds


def group_timings(timings: Sequence[LossTiming]) -> dict[tuple[int, int], list[LossTiming]]:
    """Return the modes' timings by (batch size, classes)."""
    by_size: dict[tuple[int, int], list[LossTiming]] = {}
    for timing in timings:
        by_size.setdefault((timing.batch_size, timing.classes), []).append(timing)
    return by_size


def microseconds(seconds: float) -> str:
    """Write seconds as µs, three digits at least."""
    if math.isnan(seconds):
        return "can't run"
    value = timed_microseconds(seconds)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def timed_microseconds(seconds: float) -> float:
    """Return µs, without a fraction from 100 on, so that what is subtracted is what is shown."""
    value = 1e6 * seconds
    return float(round(value)) if value >= 100 else value


def ratio(value: float) -> str:
    """Write how many times as long as the first."""
    return "–" if math.isnan(value) else f"{value:.2f}"
