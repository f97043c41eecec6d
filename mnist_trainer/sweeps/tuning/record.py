"""`study.json`: a study's trials as plain records, for the report and the pictures, which need no Optuna."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mnist_trainer.credentials import hidden
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import STUDY, read_object, write_whole
from mnist_trainer.hyperparameters import picked_hyperparameters
from mnist_trainer.sweeps.tuning.settings import MINIMIZED

COMPLETE, PRUNED, RUNNING, FAILED = "COMPLETE", "PRUNED", "RUNNING", "FAIL"


@dataclass(frozen=True)
class TrialRecord:
    """A trial: what was chosen, how it ended, and what was reported after each epoch."""

    number: int
    state: str
    params: dict[str, Any]
    values: list[float] | None
    curve: list[list[float]]
    """Pairs of epoch and value, of the first objective."""
    seconds: float | None
    folder: str | None
    """The sweep's, which may be another command's."""
    job: int | None
    same_as: int | None
    """The trial that had the same values before: this one was not trained."""
    reason: str | None


@dataclass(frozen=True)
class StudyRecord:
    """A study with its trials, by number."""

    name: str
    storage: str
    n_trials: int
    objectives: list[str]
    directions: list[str]
    keys: list[str]
    """What is chosen, in the command line's order."""
    importance: dict[str, float]
    trials: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "StudyRecord | None":
        """Read that of a sweep's folder; None if there is none that can be used."""
        try:
            record = picked_hyperparameters(cls, read_object(folder / STUDY))
            record.of_trials()
            return record
        except (OSError, ValueError, ConfigError):
            return None

    def write(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(folder / STUDY, json.dumps({**asdict(self), "storage": hidden(self.storage)}, indent=1) + "\n")

    def of_trials(self) -> list[TrialRecord]:
        """Return the trials, but for those that were taken back, and failures that were begun again.

        Raises `ConfigError` if one is none.
        """
        trials = [picked_hyperparameters(TrialRecord, each) for each in self.trials]
        last = {(each.folder, each.job): each.number for each in trials if each.same_as is None}
        return [
            each
            for each in trials
            if each.state != FAILED or (each.reason is not None and each.number == last.get((each.folder, each.job)))
        ]


def better(values: Sequence[float], others: Sequence[float], directions: Sequence[str]) -> bool:
    """Whether values are nowhere worse than others, and somewhere better."""
    signs = [1 if direction == MINIMIZED else -1 for direction in directions]
    gains = [sign * (other - value) for sign, value, other in zip(signs, values, others, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def ranked(record: StudyRecord) -> list[TrialRecord]:
    """Return the trials with a value, the best first: by the first objective, the earlier one of two alike first."""
    sign = 1 if record.directions[0] == MINIMIZED else -1
    done = [each for each in record.of_trials() if each.state == COMPLETE and each.values]
    return sorted(done, key=lambda each: (sign * (each.values or [0.0])[0], each.number))


def best(record: StudyRecord) -> list[TrialRecord]:
    """Return the best trial; of several objectives all that no other beats. None was a mere repetition."""
    done = [each for each in ranked(record) if each.same_as is None]
    if len(record.objectives) == 1:
        return done[:1]
    return [
        each
        for each in done
        if not any(better(other.values or [], each.values or [], record.directions) for other in done)
    ]
