"""A sweep's table: its runs, and mean ± standard deviation for each loss mode."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its number and folder, and what its outcome file says."""

    number: int
    folder: Path
    outcome: Mapping[str, Any]

    @property
    def overrides(self) -> Sequence[str]:
        """What the command line and the sweep chose for it."""
        return list(self.outcome.get("overrides", []))

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return bool(self.outcome["status"] == "FINISHED")


@dataclass(frozen=True)
class Summary:
    """The finished jobs that differ in nothing but the seed; ± is the sample standard deviation over them."""

    data: str
    loss: str  # the mode, and what else was swept
    jobs: int
    test_accuracy: tuple[float, float]
    test_loss: tuple[float, float]
    training_seconds: tuple[float, float]


def read_jobs(folder: Path) -> list[Job]:
    """Read the outcomes of a sweep's jobs, in their order; a job without one was killed."""
    jobs = []
    for job_folder in folder.iterdir():
        number, dash, _ = job_folder.name.partition("-")
        if not (job_folder.is_dir() and dash and number.isdigit()):
            continue
        try:
            outcome = json.loads((job_folder / OUTCOME).read_text())
        except (OSError, ValueError):
            outcome = {"status": "FAILED", "reason": "it ended without a word (killed, or out of memory)"}
        jobs.append(Job(int(number), job_folder, outcome))
    return sorted(jobs, key=lambda job: job.number)


def varied(jobs: Sequence[Job]) -> list[list[str]]:
    """Tell, for each job, the overrides that not all jobs have."""
    chosen = [set(job.overrides) for job in jobs if job.overrides]
    common = set.intersection(*chosen) if len(chosen) > 1 else set()
    return [[override for override in job.overrides if override not in common] for job in jobs]


def summarize(jobs: Sequence[Job]) -> list[Summary]:
    """Group the finished jobs that differ in nothing but the seed, in the order of their first appearance."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for job, own in zip(jobs, varied(jobs), strict=True):
        if job.finished:
            settings = " ".join(each for each in own if not each.startswith(("seed=", "loss=", "data=")))
            groups.setdefault((job.outcome["data"], job.outcome["loss"], settings), []).append(job.outcome)
    return [
        Summary(
            data=data,
            loss=f"{loss} {settings}".strip(),
            jobs=len(outcomes),
            test_accuracy=mean_and_deviation([o["test_accuracy"] for o in outcomes]),
            test_loss=mean_and_deviation([o["test_loss"] for o in outcomes]),
            training_seconds=mean_and_deviation([o["training_seconds"] for o in outcomes]),
        )
        for (data, loss, settings), outcomes in groups.items()
    ]


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; of one value the latter is NaN."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def as_markdown(jobs: Sequence[Job]) -> str:
    """Write the table of the loss modes, and the table of the runs with the reasons of those that failed."""
    modes = [
        [
            row.data,
            row.loss,
            str(row.jobs),
            plus_minus(row.test_accuracy, ".2%"),
            plus_minus(row.test_loss, ".4f"),
            plus_minus(row.training_seconds, ".1f"),
        ]
        for row in summarize(jobs)
    ]
    runs = []
    for job, overrides in zip(jobs, varied(jobs), strict=True):
        own = " ".join(overrides) or job.folder.name
        outcome = job.outcome
        if job.finished:
            numbers = [f"{outcome['test_accuracy']:.2%}", f"{outcome['test_loss']:.4f}"]
            runs.append([str(job.number), own, *numbers, f"{outcome['training_seconds']:.1f}"])
        else:
            runs.append([str(job.number), own, outcome["status"], "", ""])
    reasons = [f"Job {job.number} {job.outcome['status']}: {job.outcome['reason']}" for job in jobs if not job.finished]
    return "\n".join(
        [
            *table(["data", "loss", "runs", "test accuracy", "test loss", "training, s"], modes),
            "",
            *table(["job", "overrides", "test accuracy", "test loss", "training, s"], runs),
            "",
            *reasons,
        ]
    )


def plus_minus(value: tuple[float, float], form: str) -> str:
    """Write mean ± deviation, without the latter where there is none."""
    mean, deviation = value
    return f"{mean:{form}}" + ("" if math.isnan(deviation) else f" ± {deviation:{form}}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table whose columns are aligned, so that it reads well on a terminal too."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, *rows]
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
