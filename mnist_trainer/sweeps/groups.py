"""Jobs put beside each other: what each was given that others were not, and those that differ in the seed alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnist_trainer.composition import override_key
from mnist_trainer.sweeps.jobs import Figures, Job


@dataclass(frozen=True)
class GroupSummary:
    """The finished jobs that differ in nothing but the seed; ± is the sample standard deviation over them."""

    data: str
    loss: str  # the mode, and what else was swept
    jobs: int
    validation_accuracy: tuple[float, float] | None  # None if one has none
    test_accuracy: tuple[float, float]
    test_loss: tuple[float, float]
    training_seconds: tuple[float, float]


def varied_overrides(jobs: Sequence[Job]) -> list[list[str]]:
    """Tell, for each job, the overrides that not all jobs have."""
    chosen = [set(job.overrides) for job in jobs if job.overrides]
    common = set.intersection(*chosen) if len(chosen) > 1 else set()
    return [[override for override in job.overrides if override not in common] for job in jobs]


def settings_of_jobs(jobs: Sequence[Job], *but: str) -> list[str]:
    """Tell, for each job, what was varied but these keys: `optimizer.lr=0.1`, or "" if that was all."""
    return [" ".join(each for each in own if override_key(each) not in but) for own in varied_overrides(jobs)]


def summarize(jobs: Sequence[Job]) -> list[GroupSummary]:
    """Group the finished jobs that differ in nothing but the seed, in the order of their first appearance."""
    groups: dict[tuple[str, str, str], list[Figures]] = {}
    for job, setting in zip(jobs, settings_of_jobs(jobs, "seed", "loss", "data"), strict=True):
        if job.figures is not None:
            groups.setdefault((job.figures.data, job.figures.loss, setting), []).append(job.figures)
    return [
        GroupSummary(
            data=data,
            loss=f"{loss} {setting}".strip(),
            jobs=len(group),
            validation_accuracy=mean_of_all([each.validation_accuracy for each in group]),
            test_accuracy=mean_and_deviation([each.test_accuracy for each in group]),
            test_loss=mean_and_deviation([each.test_loss for each in group]),
            training_seconds=mean_and_deviation([each.training_seconds for each in group]),
        )
        for (data, loss, setting), group in groups.items()
    ]


def mean_of_all(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Return mean and deviation, if there are all values."""
    known = [value for value in values if value is not None]
    return mean_and_deviation(known) if len(known) == len(values) else None


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; of one value the latter is NaN."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
