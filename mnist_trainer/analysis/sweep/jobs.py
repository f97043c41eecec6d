"""A sweep's jobs: read from their folders, and grouped by what they have in common."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mnist_trainer.analysis.markdown import table as table  # where others look for it
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import MOST_YAML, read_object, read_text
from mnist_trainer.hyperparameters import check, hyperparameter, picked

OUTCOME = "outcome.json"
OVERRIDES = Path(".hydra", "overrides.yaml")


@dataclass(frozen=True)
class Ending:
    """What every outcome file says."""

    status: str
    reason: str | None
    overrides: list[str]


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
    """Read the outcomes of a sweep's jobs, in their order; a job without one was killed."""
    jobs = []
    for job_folder in folder.iterdir():
        number, dash, _ = job_folder.name.partition("-")
        if not (job_folder.is_dir() and dash and number.isdecimal()):
            continue
        jobs.append(Job(int(number), job_folder, read_outcome(job_folder)))
    return sorted(jobs, key=lambda job: job.number)


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


def planned(job_folder: Path) -> list[str]:
    """Return the overrides that Hydra wrote down before the job began; none if it did not come to that."""
    try:
        found = yaml.safe_load(read_text(job_folder / OVERRIDES, MOST_YAML))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    return [str(override) for override in found] if isinstance(found, list) else []


def key_of(override: str) -> str:
    """Return the key of an override: `seed` of `seed=1` and `++seed=1`."""
    return override.lstrip("+~").partition("=")[0]


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
