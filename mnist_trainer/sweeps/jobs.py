"""A sweep's jobs: read from their folders, and grouped by what they have in common."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnist_trainer.composition import key_of
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import OUTCOME, SWEEP, read_object
from mnist_trainer.hyperparameters import check, hyperparameter, picked
from mnist_trainer.runs.folder import Ending, has_diverged, planned
from mnist_trainer.words import table as table  # where others look for it


@dataclass(frozen=True)
class Figures:
    """What the outcome file of a job that finished says, too, as far as it is compared."""

    data: str
    loss: str
    seed: int
    test_accuracy: float = hyperparameter()
    test_loss: float = hyperparameter()
    training_seconds: float = hyperparameter()

    def __post_init__(self) -> None:
        """Check that they are finite; raises `ConfigError`."""
        check(self)


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

    @property
    def diverged(self) -> bool:
        """Whether it would end without a result again."""
        return has_diverged(self.outcome)

    def value_of(self, key: str) -> str | None:
        """Return what its overrides say for a key, the last one counting; None if they don't."""
        values = [override.partition("=")[2] for override in self.overrides if key_of(override) == key]
        return values[-1] if values else None


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
    """Read the outcomes of a sweep's jobs, in their order: those that its file lists, or those that have a folder."""
    folders = job_folders(folder)
    listed = content_of(folder).get("jobs")
    if listed is None:
        return [Job(number, path, outcome_in(path)) for number, path in sorted(folders.items())]
    return [
        Job(number, folders.get(number, folder / str(number)), outcome_in(folders.get(number)) | {"overrides": own})
        for number, own in enumerate(listed)
    ]


def job_folders(folder: Path) -> dict[int, Path]:
    """Return the folders of a sweep's jobs by the number that their names begin with."""
    found = {}
    for path in folder.iterdir():
        number, dash, _ = path.name.partition("-")
        if path.is_dir() and dash and number.isdecimal():
            found[int(number)] = path
    return found


def content_of(folder: Path) -> Mapping[str, Any]:
    """Return what a sweep's file says; nothing if it has none."""
    try:
        content = read_object(folder / SWEEP)
    except (OSError, ValueError):
        return {}
    return content if are_overrides(content.get("jobs")) else {**content, "jobs": None}


def are_overrides(jobs: object) -> bool:
    """Whether these are the overrides of each job, as a sweep's file lists them."""
    return isinstance(jobs, list) and all(
        isinstance(job, list) and all(isinstance(override, str) for override in job) for job in jobs
    )


def outcome_in(job_folder: Path | None) -> dict[str, Any]:
    """Return what a job's outcome file says; without one the job was killed, without a folder it never began."""
    if job_folder is None:
        return {"status": "MISSING", "reason": "it never began", "overrides": []}
    return dict(read_outcome(job_folder))


def read_outcome(job_folder: Path) -> Mapping[str, Any]:
    """Read a job's outcome file; without one, or of one that can't be used, tell that."""
    reason = "it ended without a word (killed, or out of memory)"
    try:
        outcome = read_object(job_folder / OUTCOME)
        if picked(Ending, outcome).status == "FINISHED":
            picked(Figures, outcome)
    except (OSError, ValueError):
        pass
    except ConfigError as error:
        reason = f"its {OUTCOME} can't be used: {'; '.join(error.problems)}"
    else:
        return outcome
    return {"status": "FAILED", "reason": reason, "overrides": planned(job_folder)}


def varied(jobs: Sequence[Job]) -> list[list[str]]:
    """Tell, for each job, the overrides that not all jobs have."""
    chosen = [set(job.overrides) for job in jobs if job.overrides]
    common = set.intersection(*chosen) if len(chosen) > 1 else set()
    return [[override for override in job.overrides if override not in common] for job in jobs]


def settings(jobs: Sequence[Job], *but: str) -> list[str]:
    """Tell, for each job, what was varied but these keys: `optimizer.lr=0.1`, or "" if that was all."""
    return [" ".join(each for each in own if key_of(each) not in but) for own in varied(jobs)]


def summarize(jobs: Sequence[Job]) -> list[Summary]:
    """Group the finished jobs that differ in nothing but the seed, in the order of their first appearance."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for job, setting in zip(jobs, settings(jobs, "seed", "loss", "data"), strict=True):
        if job.finished:
            groups.setdefault((job.outcome["data"], job.outcome["loss"], setting), []).append(job.outcome)
    return [
        Summary(
            data=data,
            loss=f"{loss} {setting}".strip(),
            jobs=len(outcomes),
            test_accuracy=mean_and_deviation([o["test_accuracy"] for o in outcomes]),
            test_loss=mean_and_deviation([o["test_loss"] for o in outcomes]),
            training_seconds=mean_and_deviation([o["training_seconds"] for o in outcomes]),
        )
        for (data, loss, setting), outcomes in groups.items()
    ]


def unusable(jobs: Sequence[Job]) -> list[str]:
    """Return the reasons, each once, why no job could begin: all were configured wrongly; [] if one was not."""
    if not all(job.outcome.get("exit_code") == 2 for job in jobs):
        return []
    return list(dict.fromkeys(str(job.outcome["reason"]) for job in jobs))


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; of one value the latter is NaN."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
