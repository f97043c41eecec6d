"""sweep.resume=: a sweep that ended early, taken up again in its own folder for what it has no result of."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from mnist_trainer.complaints.origin import overrides_as_typed
from mnist_trainer.composition import override_key
from mnist_trainer.errors import ConfigError, TrackingError
from mnist_trainer.files import JOURNAL, at_home
from mnist_trainer.journal.events import Start
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import is_alive, read_journal, read_start
from mnist_trainer.runs.folder import LATEST
from mnist_trainer.sweeps.cluster.launched import strays
from mnist_trainer.sweeps.jobs import Job, read_jobs
from mnist_trainer.sweeps.overrides import choices_of, combinations, extended_choices
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.report import reasons
from mnist_trainer.words import quoted, shown

log = logging.getLogger(__name__)


@dataclass(eq=False)
class SweepResumption:
    """A sweep to go on with; `start` is None if it was killed before its journal's."""

    journal: Journal
    start: Start | None
    record: SweepRecord
    """The sweep's, with the values that the command line adds."""
    jobs: list[list[str]]
    """All jobs' overrides: those of before by their numbers, then the new ones."""
    means: list[str]
    """What the command line says of how jobs are done."""

    @classmethod
    def prepared(cls, resume: str, outputs: Path, given: Sequence[str]) -> "SweepResumption":
        """Read what there is of the sweep that `resume` names, and hold its journal's lock; nothing is changed.

        `given` are the command line's overrides. Raises `ConfigError` if there is no such sweep, or if they contradict
        it, and `TrackingError` if the sweep, or a job of it, is still running.
        """
        folder = sweep_folder(resume, outputs)
        record, before = read_listed(folder, resume)
        choices, means = extended_choices(choices_of(record.overrides), choices_of(given))
        known = set(map(tuple, before))
        jobs = [*before, *(own for own in combinations(choices) if tuple(own) not in known)]
        overrides = [f"{key}={','.join(values)}" for key, values in choices.items()]
        check_stopped(folder, before)
        journal = Journal(folder, reopened=True)
        start = read_start(folder)
        return cls(journal, start, replace(record, overrides=overrides, jobs=jobs), jobs, means)

    @property
    def folder(self) -> Path:
        """The sweep's own."""
        return self.journal.folder

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do, and the sweep has said so."""
        end = read_journal(self.folder).end
        over = end is not None and end.status == "FINISHED"
        return over and all(job.finished for job in read_jobs(self.folder, self.jobs))

    def configuration(self, config: DictConfig) -> DictConfig:
        """Compose, as Hydra does for a sweep, what its own command line asked for; `config` is this one's."""
        overrides = [*overrides_as_typed(config.hydra, "hydra"), *replaced(self.record.overrides, self.means)]
        loader = GlobalHydra.instance().config_loader()
        return loader.load_configuration(config.hydra.job.config_name, overrides, RunMode.MULTIRUN)

    def launched(self) -> list[list[str]]:
        """Return the overrides of what is to run: the jobs without a result, but for those that would diverge again."""
        jobs = read_jobs(self.folder, self.jobs)
        left = [job for job in jobs if not job.finished and not job.diverged]
        self._describe(jobs, left)
        return [self._launched(job) for job in left]

    def _launched(self, job: Job) -> list[str]:
        return [*replaced(job.overrides, self.means), *placed(self.folder, job, apart=self.record.apart)]

    def _describe(self, jobs: Sequence[Job], left: Sequence[Job]) -> None:
        finished = sum(job.finished for job in jobs)
        numbers = f"; to run: {', '.join(str(job.number) for job in left)}" if left else "; none is to run"
        log.info(f"{shown(self.folder)}: {finished} of {len(jobs)} jobs are finished{numbers}")
        if diverged := [str(job.number) for job in jobs if job.diverged]:
            log.info(f"    not run, since they would diverge again: {', '.join(diverged)}")


def placed(folder: Path, job: Job, *, apart: bool) -> list[str]:
    """Return the overrides by which a job goes on, or begins, in its own folder; `apart`, its host has that."""
    named = f"hydra.sweep.subdir='{job.number}-${{mnist_trainer.folder_name:${{name}}}}'"  # as Hydra would have
    if apart:
        return [named]
    subfolder = f"hydra.sweep.subdir={quoted(job.folder.name)}" if job.folder.exists() else named
    resume = [f"resume={quoted(shown(job.folder))}"] if (job.folder / JOURNAL).exists() else []
    return [*resume, f"hydra.sweep.dir={quoted(str(folder))}", subfolder]


def sweep_folder(resume: str, outputs: Path) -> Path:
    """Return the folder of the sweep that `resume` names: that folder, or `latest` in `outputs`.

    Raises `ConfigError` that says what would fit.
    """
    if resume == LATEST:
        found = unfinished_sweeps(outputs)
        if not found:
            raise ConfigError(f"sweep.resume=latest: no unfinished sweep in {shown(outputs)}: name a sweep's folder")
        return found[-1]
    folder = Path(at_home(resume)).absolute()
    if not folder.is_dir():
        raise ConfigError(f"sweep.resume={resume}: no such folder; name a sweep's folder, or latest")
    return folder


def read_listed(folder: Path, resume: str) -> tuple[SweepRecord, list[list[str]]]:
    """Read a sweep's file, and the jobs that it lists; raises `ConfigError` if there is none, or if it lists none."""
    record = SweepRecord.read(folder)
    if record is None:
        raise ConfigError(f"sweep.resume={resume}: no sweep in there; name a sweep's folder, or latest")
    if record.jobs is None:
        raise ConfigError(
            f"sweep.resume={resume}: its jobs were not known beforehand, as another sweeper than Hydra's basic one "
            "chose them; resume=... goes on with a single one of them"
        )
    return record, record.jobs


def unfinished_sweeps(outputs: Path) -> list[Path]:
    """Return the folders of sweeps that have ended with something left to run, oldest first."""
    found: list[tuple[int, Path]] = []
    for folder in (path.parent for path in outputs.absolute().glob(f"*/*/{JOURNAL}")):
        start = read_start(folder)
        record = SweepRecord.read(folder)
        if start is None or start.kind != "sweep" or is_alive(folder) or record is None or record.jobs is None:
            continue
        jobs = read_jobs(folder, record.jobs)
        if any(job.still_there for job in jobs):
            continue
        left = any(not (job.finished or job.pruned or job.diverged) for job in jobs)
        end = read_journal(folder).end
        if left or end is None or (record.tuning is not None and end.status != "FINISHED"):
            found.append((start.start_time, folder))
    return [folder for _, folder in sorted(found)]


def check_stopped(folder: Path, listed: Sequence[list[str]]) -> None:
    """Raise `TrackingError` if the sweep is running, or a job of it that outlived it."""
    if is_alive(folder):
        raise TrackingError(f"{shown(folder)}: this sweep is still running; wait for its end")
    if unknown := strays(folder):
        raise TrackingError(
            f"{shown(folder)}: still in Slurm's queue, though its command was killed: {', '.join(unknown)}; wait for "
            f"their end, or cancel them: scancel {' '.join(unknown)}"
        )
    running = [job for job in read_jobs(folder, listed) if job.still_there or is_alive(job.folder)]
    if running:
        names = ", ".join(str(job.number) for job in running)
        told = [reason for reason in reasons(running) if "Slurm" in reason]
        raise TrackingError("\n".join([f"{shown(folder)}: still running: job {names}; wait for its end", *told]))


def replaced(overrides: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the overrides with these others, which replace those of the same key."""
    return list({override_key(override): override for override in [*overrides, *others]}.values())
