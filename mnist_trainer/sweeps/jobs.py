"""A sweep's jobs, read from their folders: what each was to do, how it ended, and the figures that it came to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mnist_trainer.composition import override_key
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import OUTCOME, read_object
from mnist_trainer.hyperparameters import check, hyperparameter, picked_hyperparameters
from mnist_trainer.journal.reading import is_alive
from mnist_trainer.runs.folder import PRUNED, OutcomeEnding, has_diverged, overrides_of_planned_run
from mnist_trainer.sweeps.cluster.launched import cluster_endings

UNUSABLE = 2
"""The exit code of what was configured wrongly."""
MISSING = OutcomeEnding("MISSING", "it never began", [])
STILL_THERE = ("WAITING", "RUNNING")
"""The status of what has not ended: it waits in a cluster's queue, or runs."""
SILENT = "it ended without a word (killed, or out of memory)"


@dataclass(frozen=True)
class Figures:
    """What the outcome file of a job that finished says, too, as far as it is compared."""

    data: str
    loss: str
    seed: int
    test_accuracy: float = hyperparameter()
    test_loss: float = hyperparameter()
    training_seconds: float = hyperparameter()
    validation_accuracy: float | None = hyperparameter(None)
    validation_loss: float | None = hyperparameter(None)
    run: str | None = None  # in MLflow the tag mnist_trainer.run

    @property
    def validation(self) -> tuple[float, float] | None:
        """Accuracy and loss of the parameters that were tested; None where there are no validation images."""
        if self.validation_accuracy is None or self.validation_loss is None:
            return None
        return self.validation_accuracy, self.validation_loss

    def __post_init__(self) -> None:
        """Check that they are finite; raises `ConfigError`."""
        check(self)


@dataclass(frozen=True)
class Job:
    """One job of a sweep; a job that has no result has no figures."""

    number: int
    folder: Path
    ending: OutcomeEnding
    figures: Figures | None

    @property
    def overrides(self) -> Sequence[str]:
        """What the command line and the sweep chose for it."""
        return self.ending.overrides

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self.figures is not None

    @property
    def still_there(self) -> bool:
        """Whether it has not ended: it waits in a cluster's queue, or runs."""
        return self.ending.status in STILL_THERE

    @property
    def pruned(self) -> bool:
        """Whether a study ended it early: it has no result, and needs none."""
        return self.ending.status == PRUNED

    @property
    def diverged(self) -> bool:
        """Whether it would end without a result again."""
        return has_diverged(self.ending.reason)

    def value_of(self, key: str) -> str | None:
        """Return what its overrides say for a key, the last one counting; None if they don't."""
        values = [override.partition("=")[2] for override in self.overrides if override_key(override) == key]
        return values[-1] if values else None


def read_jobs(folder: Path, listed: Sequence[list[str]] | None) -> list[Job]:
    """Read the jobs of a sweep's folder: those listed by their overrides or, if they aren't, those that have a folder.

    The former may never have begun. Of a job without a result, its cluster may know more than its folder tells.
    """
    folders = job_folders(folder)
    if listed is None:
        return _with_the_clusters_word(folder, [read_job(number, path) for number, path in sorted(folders.items())])
    jobs = [
        read_job(number, folders[number]) if number in folders else Job(number, folder / str(number), MISSING, None)
        for number in range(len(listed))
    ]
    jobs = _with_the_clusters_word(folder, jobs)
    return [replace(job, ending=replace(job.ending, overrides=listed[job.number])) for job in jobs]


def _with_the_clusters_word(folder: Path, jobs: Sequence[Job]) -> list[Job]:
    told = cluster_endings(folder)

    def ending(job: Job) -> OutcomeEnding:
        own, its = job.ending, told.get(job.number)
        if its is None or job.finished:
            return own
        stands = its.status in (*STILL_THERE, "CANCELLED") or own.status in ("MISSING", "KILLED")
        return replace(its, overrides=own.overrides) if stands or own.reason == SILENT else own

    return [replace(job, ending=ending(job)) for job in jobs]


def job_folders(folder: Path) -> dict[int, Path]:
    """Return the folders of a sweep's jobs by the number that their names begin with."""
    found = {}
    for path in folder.iterdir():
        number, dash, _ = path.name.partition("-")
        if path.is_dir() and dash and number.isdecimal():
            found[int(number)] = path
    return found


def read_job(number: int, folder: Path) -> Job:
    """Read a job's outcome file; without one, or of one that can't be used, tell that."""
    reason = SILENT
    try:
        outcome = read_object(folder / OUTCOME)
        ending = picked_hyperparameters(OutcomeEnding, outcome)
        return Job(
            number, folder, ending, picked_hyperparameters(Figures, outcome) if ending.status == "FINISHED" else None
        )
    except (OSError, ValueError):
        if is_alive(folder):
            return Job(
                number, folder, OutcomeEnding("RUNNING", "it is still running", overrides_of_planned_run(folder)), None
            )
    except ConfigError as error:
        reason = f"its {OUTCOME} can't be used: {'; '.join(error.problems)}"
    return Job(number, folder, OutcomeEnding("FAILED", reason, overrides_of_planned_run(folder)), None)


def unusable(jobs: Sequence[Job]) -> list[str]:
    """Return the reasons, each once, why no job could begin: all were configured wrongly; [] if one was not."""
    if any(job.ending.exit_code != UNUSABLE for job in jobs):
        return []
    return list(dict.fromkeys(str(job.ending.reason) for job in jobs))
