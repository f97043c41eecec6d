"""A multirun as one thing: a parent run, one shipper for all its jobs, a table and a picture at its end."""

import logging
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.errors import DiskError, TrackingError, error_in_words
from mnist_trainer.files import CUT, STUDY, SWEEP, write_whole
from mnist_trainer.journal.address import resolve_uri
from mnist_trainer.journal.events import DESCRIPTION, Register, Start, Status
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.cutting import cut_back
from mnist_trainer.runs.provenance import machine_tags
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.shipping.place import Place
from mnist_trainer.shipping.shipper import child_environment
from mnist_trainer.sweeps.apart import SECONDS, bring_back
from mnist_trainer.sweeps.description import sweep_description
from mnist_trainer.sweeps.jobs import Job, read_jobs, unusable
from mnist_trainer.sweeps.names import job_name, sweep_name
from mnist_trainer.sweeps.pairs import Comparison, as_metrics, compare_modes, modes_of_jobs
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.report import as_markdown
from mnist_trainer.sweeps.resumption import SweepResumption
from mnist_trainer.sweeps.selection import Selection, best_metrics, select
from mnist_trainer.sweeps.tuning.description import study_description
from mnist_trainer.sweeps.tuning.record import StudyRecord
from mnist_trainer.sweeps.tuning.report import study_metrics, study_report, study_selection, study_tags
from mnist_trainer.words import command, given, shown

log = logging.getLogger(__name__)

BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
"""Hydra's, which runs one job after another in the command's process."""

REPORT = "sweep.md"
PICTURES = {
    "jobs.png": "the jobs' curves, the best ones named",
    "loss_modes.png": "the loss modes' curves",
    "paired_differences.png": "their paired differences",
    "study_history.png": "the trials' values one after the other, and their curves",
    "study_parameters.png": "what matters among the hyperparameters, and which values are good",
}


def finish_sweep(status: Status, reason: str | None = None) -> list[str]:
    """End the sweep that runs in this process, if there is one; returns why none of its jobs could begin, if so."""
    KeptFiles.current = None
    if Sweep.current is None:
        return []
    sweep, Sweep.current = Sweep.current, None
    return sweep.finish(status, reason)


class Sweep:
    """A multirun in this process: keeps the parent run's journal, `sweep.json` and the shipper."""

    current: "ClassVar[Sweep | None]" = None
    failed_jobs: ClassVar[int] = 0

    def __init__(
        self,
        journal: Journal,
        tracked: Tracked,
        run: Start,
        record: SweepRecord,
        data: str,
        *,
        resumed: bool = False,
    ) -> None:
        self.folder = journal.folder
        self.tracked = tracked
        self.record = record
        self._journal = journal
        self._broken = False
        record.write(self.folder)
        if resumed:
            journal.resume(run, 0)
        else:
            journal.start(run)
        self._shipper = ExitStack()
        self._shipper.enter_context(shipped(tracked, self.folder, "sweep"))  # it reads once where the sweep goes
        journal.tags(
            {"sweep.overrides": " ".join(record.overrides), "data.name": data, **tracked.tags, **machine_tags()}
        )

    @classmethod
    def begun(
        cls,
        folder: Path,
        tracked: Tracked,
        place: Place,
        data: str,
        overrides: list[str],
        jobs: list[list[str]] | None,
        *,
        apart: bool = False,
    ) -> "Sweep":
        """Begin a sweep in a new folder; `jobs` are the overrides of each, None if they aren't known beforehand."""
        run = new_sweep_record(tracked, place, overrides)
        return cls(Journal(folder), tracked, run, SweepRecord(run.run, overrides, jobs, apart=apart), data)

    @classmethod
    def resumed(cls, resumption: SweepResumption, tracked: Tracked, place: Place, data: str) -> "Sweep":
        """Go on with a sweep, in its own folder and run."""
        journal, start, record = resumption.journal, resumption.start, resumption.record
        cut_back(journal, None, resolve_uri(tracked.config.uri, tracked.store_folder))
        if start is None:
            run = replace(new_sweep_record(tracked, place, record.overrides), run=record.run)
        else:
            run = tracked.again(start)
        return cls(journal, tracked, run, record, data, resumed=start is not None)

    @property
    def tuned(self) -> bool:
        """Whether Optuna chooses the jobs: one that is pruned, or diverges, is an answer then."""
        return self.record.tuning is not None

    def finish(self, status: Status, reason: str | None = None) -> list[str]:
        """Write the report, end the parent run, and wait for the shipper; see the function `finish_sweep`."""
        self.bring_back(min(self.tracked.config.wait_seconds, 10.0) if status == "KILLED" else None)
        jobs = read_jobs(self.folder, self.record.jobs)
        failed = [job for job in jobs if not (job.finished or job.pruned or (self.tuned and job.diverged))]
        Sweep.failed_jobs = len(failed)
        if failed and reason is None:
            status, reason = "FAILED", f"{len(failed)} of {len(jobs)} jobs have no result: see {REPORT}"
        self._report(jobs)
        self._register(select(jobs))
        self._broken = status != "FINISHED"
        self._journal.end(status, reason)
        try:
            self._journal.close()
        except DiskError as error:
            log.error(str(error))
        if status == "KILLED":
            self._shipper.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # then it doesn't wait long
        self._shipper.close()
        if status == "FINISHED":
            (self.folder / CUT).unlink(missing_ok=True)
        if self.tracked.mode == "off":
            draw_sweep(self.folder)
        self._tell(jobs)
        return unusable(jobs)

    def bring_back(self, wait_seconds: float | None = None) -> None:
        """Bring the results of jobs on other hosts; if that can't be now, it is told."""
        if self.record.apart:
            try:
                bring_back(self.folder, wait_seconds or max(SECONDS, self.tracked.config.wait_seconds))
            except TrackingError as error:
                log.warning(f"what jobs on other hosts came to can't be brought back now: {error}")

    def _report(self, jobs: Sequence[Job]) -> None:
        study = StudyRecord.read(self.folder) if self.tuned else None
        comparisons = compare_modes(jobs)
        selection = select(jobs) if study is None else study_selection(study, self.folder, jobs)
        report = as_markdown(jobs, comparisons) if study is None else study_report(study, self.folder, jobs)
        write_whole(self.folder / REPORT, report)
        log.info(f"\n{report}")
        # Before the journal's end: the shipper draws the pairs then, and looks for the best
        self.record.write(self.folder, comparisons, selection.best)
        if metrics := as_metrics(comparisons) | best_metrics(selection.best):
            # A sweep that goes on comes to others: they stand behind these, not beside them
            self._journal.metrics(sum(job.finished for job in jobs), metrics)
        self._journal.tags(self._tags(jobs, comparisons, selection))
        if study is not None:
            told = {DESCRIPTION: study_description(study, self.folder, jobs)}
            self._journal.tags(told | study_tags(study, self.folder, jobs))
            if importance := study_metrics(study):
                self._journal.metrics(len(study.trials), importance)
            self._journal.artifact(STUDY)
        self._journal.artifact(REPORT)
        self._journal.artifact(SWEEP)

    def _tags(self, jobs: Sequence[Job], comparisons: Sequence[Comparison], selection: Selection) -> dict[str, str]:
        tags = {DESCRIPTION: sweep_description(self.folder, self.record, jobs, comparisons, selection)}
        if modes := ", ".join(dict.fromkeys(filter(None, modes_of_jobs(jobs)))):
            tags["loss.mode"] = modes
        if (best := selection.best) is not None:
            tags["best.job"] = job_name(self.record, best.overrides) or best.folder.name
        return tags

    def _register(self, selection: Selection) -> None:
        """Ask for the best job's model to be registered, if that is wanted."""
        name, alias, best = self.tracked.config.register, self.tracked.config.alias, selection.best
        if name is None:
            return
        if best is None or best.figures is None or best.figures.run is None:
            log.warning(
                f"tracking.register={name}: nothing is registered. {selection.why_none or 'No job has a result.'}"
            )
            return
        self._journal.write(Register(run=best.figures.run, name=name, alias=alias))
        log.info(f"registered as {name}: the model of job {best.number}, the best by its validation")

    def _tell(self, jobs: Sequence[Job]) -> None:
        finished, pruned = sum(job.finished for job in jobs), sum(job.pruned for job in jobs)
        others = f", {pruned} pruned" if pruned else ""
        log.info(f"sweep: {finished} of {len(jobs)} jobs finished{others}; in {shown(self.folder)}:")
        pictures = {name: what for name, what in PICTURES.items() if (self.folder / name).exists()}
        for name, what in {REPORT: "this report", **pictures}.items():
            log.info(f"    {name:<{max(map(len, [REPORT, *pictures]))}}  {what}")
        left = [job for job in jobs if not (job.finished or job.diverged or job.pruned)]
        if (left or (self.tuned and self._broken)) and self.record.jobs is not None and not unusable(jobs):
            log.info("to run what has no result:")
            log.info(f"    {command('mnist_trainer', '--multirun', given('sweep.resume', shown(self.folder)))}")


def new_sweep_record(tracked: Tracked, place: Place, overrides: Sequence[str]) -> Start:
    """Return what a new sweep's journal starts with."""
    return tracked.record("sweep", place=place, name=sweep_name(overrides), parent=None)


def draw_sweep(folder: Path) -> None:
    """Draw a sweep's pictures, in a process of its own: this one never loads matplotlib."""
    command = [sys.executable, "-m", "mnist_trainer.shipping.pictures", str(folder)]
    try:
        done = subprocess.run(
            command, env=child_environment(), capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:  # no process, or no memory, is left for it
        log.warning(f"the pictures can't be drawn: {error_in_words(error)}")
        return
    if done.returncode:
        _, _, why = done.stderr.strip().rpartition("\n")
        log.warning(f"the pictures can't be drawn: {why}")
