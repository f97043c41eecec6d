"""Profile training steps: as they are, timed by layer, and timed by kernel, in turns."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence

from mnist_trainer.analysis.profile.meter import Meter, PeakRate
from mnist_trainer.analysis.profile.parts import kernel_parts, step_parts
from mnist_trainer.analysis.profile.profile import Profile, ProfileRow
from mnist_trainer.analysis.profile.subnormal import tally_update
from mnist_trainer.analysis.studies.stopwatch import without_gc
from mnist_trainer.data.batches import Batches, Inputs, Targets
from mnist_trainer.training.trainer import Trainer

WARM_UP = 5
TURN = 5  # updates of one kind before the next kind's
REST = "the rest"


def profile_steps(trainer: Trainer, updates: int) -> Profile:
    """Do `updates` updates of each kind, after some to warm up; return the medians of what they took.

    The kinds take turns, so that what else the machine does reaches all of them: updates as they are, with their
    layers timed, and with their kernels timed. In one more, subnormal numbers are counted. Raises `DivergedError`.
    """
    size = min(trainer.train.samples, trainer.train.batch_size)
    parts, kernel_functions = step_parts(trainer, size), kernel_parts(trainer)
    total = 3 * updates + WARM_UP + 1
    trainer.schedule.build(max(trainer.epochs * len(trainer.train), total), len(trainer.train))
    source, meter, peak = endless_full_batches(trainer.train, size), Meter(), PeakRate(trainer.model.dtype)
    plain: list[float] = []
    by_part: list[Mapping[str, float]] = []
    by_kernel: list[Mapping[str, float]] = []
    peaks: list[float] = []

    def update() -> None:
        trainer.update(*next(source))

    with trainer.together(), without_gc():
        for _ in range(WARM_UP):
            update()
        while len(plain) < updates:
            turn = range(min(TURN, updates - len(plain)))
            for _ in turn:
                started = time.perf_counter()
                update()
                plain.append(time.perf_counter() - started)
            with meter.wrapping([part.timed for part in parts]):
                by_part += [meter.step(update, REST) for _ in turn]
            with meter.wrapping(kernel_functions):
                by_kernel += [meter.step(update, REST) for _ in turn]
            peaks += [peak.sample() for _ in turn]
        tallies = tally_update(trainer, update)
    medians = medians_of_steps(by_part)
    rows = [ProfileRow(part.what, part.does, medians.pop(part.timed.name, 0.0), part.operations) for part in parts]
    return Profile(
        parts=[*rows, *(ProfileRow(name, "", seconds) for name, seconds in medians.items())],
        kernels=[ProfileRow(name, "", seconds) for name, seconds in medians_of_steps(by_kernel).items() if seconds],
        step=statistics.median(plain),
        timed_step=statistics.median(sum(step.values()) for step in by_part),
        batch=size,
        updates=updates,
        peak=statistics.median(peaks),
        dtype=str(trainer.model.dtype),
        tallies=tallies,
    )


def endless_full_batches(batches: Batches, size: int) -> Iterator[tuple[Inputs, Targets]]:
    """Go over the batches again and again, without the short ones."""
    while True:
        for x, labels in batches:
            if len(labels) == size:
                yield x, labels


def medians_of_steps(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return each part's median over the steps, 0 where a step is without it."""
    names = dict.fromkeys(name for step in steps for name in step)
    return {name: statistics.median(step.get(name, 0.0) for step in steps) for name in names}
