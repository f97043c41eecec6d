"""The loop over trials: ask the study, launch the jobs, tell the study how they ended."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import FrozenTrial, TrialState

from mnist_trainer.bar import Bar
from mnist_trainer.composition import override_key
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import OUTCOME, read_object
from mnist_trainer.sweeps.jobs import Job, read_jobs
from mnist_trainer.sweeps.overrides import is_means
from mnist_trainer.sweeps.resumption import placed
from mnist_trainer.sweeps.sweep import Sweep
from mnist_trainer.sweeps.tuning.asking import Asked, ask, begin_again
from mnist_trainer.sweeps.tuning.record import StudyRecord, best
from mnist_trainer.sweeps.tuning.results import objectives, trial_record
from mnist_trainer.sweeps.tuning.settings import Settings
from mnist_trainer.sweeps.tuning.space import Space
from mnist_trainer.sweeps.tuning.storage import place_of
from mnist_trainer.sweeps.tuning.study import FOLDER, JOB, SAME_AS, TunedStudy
from mnist_trainer.words import counted_in_words

log = logging.getLogger(__name__)

Check = Callable[[Sequence[Sequence[str]]], None]


def tune(config: DictConfig, launcher: Launcher, check: Check, arguments: Sequence[str]) -> None:
    """Run the trials of the sweep that has begun; raises `ConfigError` where there is none."""
    sweep = Sweep.current
    if sweep is None:
        raise ConfigError(f"hydra/sweeper=optuna tunes what is trained: leave task={config.task.name} out")
    settings, overrides = Settings.read(config.hydra), sweep.record.overrides
    space = Space.of(overrides)
    study = TunedStudy.opened(settings, space, sweep.folder, config.epochs, overrides)
    Tuner(sweep, study, launcher, check, [each for each in arguments if is_means(override_key(each))]).run()


class Tuner:
    """Runs a sweep's trials until its study has all; `sweep.json` says which trial each job is."""

    def __init__(self, sweep: Sweep, study: TunedStudy, launcher: Launcher, check: Check, means: Sequence[str]) -> None:
        self.sweep, self.study, self.launcher, self.check, self.means = sweep, study, launcher, check, means
        self._launched = 0

    def run(self) -> None:
        """Launch what a sweep that goes on has left, and then new trials."""
        left = self._settle(range(len(self._jobs)), over=False)
        try:
            with self._bar() as bar:
                size = self.study.settings.n_jobs
                for start in range(0, len(left), size):
                    self._launch([self._taken_up(number) for number in left[start : start + size]])
                    self._show(bar)
                while jobs := self._asked():
                    self._launch(jobs)
                    self._show(bar)
        except BaseException:
            self.write()
            raise
        self.write(importance=True)  # which takes seconds, for scikit-learn and its trees
        self._tell_running()

    @property
    def _jobs(self) -> list[list[str]]:
        return self.sweep.record.jobs or []

    @property
    def _trials(self) -> list[int]:
        return self.sweep.record.trials

    def _asked(self) -> list[int]:
        """Ask for as many trials as run at once; returns the jobs' numbers, none when the study has all its trials."""
        jobs: list[int] = []
        settings = self.study.settings
        while len(jobs) < settings.n_jobs and self._launched + len(jobs) < settings.n_trials:
            number = len(self._jobs)
            asked = ask(self.study, {FOLDER: str(self.sweep.folder), JOB: number}, self._trials)
            if asked is None:
                break
            if asked.done:
                self._tell_repetition(asked)
                continue
            own = self.study.space.overrides(asked.params)
            self._write([*self._jobs, own], [*self._trials, asked.number])
            jobs.append(number)
        return jobs

    def _taken_up(self, job: int) -> int:
        """See that a job without a result has a trial that waits for it."""
        trial = self._trials[job]
        if self.study.trials[trial].state == TrialState.FAIL:
            again = begin_again(self.study, trial, {FOLDER: str(self.sweep.folder), JOB: job})
            self._write(self._jobs, [again if number == job else each for number, each in enumerate(self._trials)])
        return job

    def _write(self, jobs: list[list[str]], trials: list[int]) -> None:
        self.sweep.record = replace(self.sweep.record, jobs=jobs, trials=trials)
        self.sweep.record.write(self.sweep.folder)

    def _launch(self, numbers: Sequence[int]) -> None:
        batch = [self._overrides(number) for number in numbers]
        try:
            self.check(batch)
        except (HydraException, OmegaConfBaseException):
            for number in numbers:
                self.study.fail(self._trials[number], "it can't be composed")
            raise
        self._launched += len(numbers)
        for done in self.launcher.launch(batch, initial_job_idx=numbers[0]):
            _ = done.return_value  # raises what the job did
        self.sweep.bring_back()
        self._settle(numbers, over=True)
        self.write()

    def _overrides(self, number: int) -> list[str]:
        job = read_jobs(self.sweep.folder, self._jobs)[number]
        given = {each.partition("=")[0] for each in self.means}
        own = [*(each for each in job.overrides if each.partition("=")[0] not in given), *self.means]
        apart = self.sweep.record.apart
        return [*own, f"hydra.sweeper.trial={self._trials[number]}", *placed(self.sweep.folder, job, apart=apart)]

    def _settle(self, numbers: Sequence[int], *, over: bool) -> list[int]:
        """Tell the study how these jobs ended; returns those that have no answer, and might have one.

        Those of a command that is `over` failed, if they left no word.
        """
        trials, jobs, left = self.study.trials, read_jobs(self.sweep.folder, self._jobs), []
        for number in numbers:
            trial, job = trials[self._trials[number]], jobs[number]
            if trial.state == TrialState.RUNNING and not self._answered(trial, job):
                if over and job.ending.status != "KILLED":
                    self.study.fail(trial.number, str(job.ending.reason))
                left.append(number)
            elif trial.state == TrialState.FAIL:
                left.append(number)
        return left

    def _answered(self, trial: FrozenTrial, job: Job) -> bool:
        if job.pruned or job.diverged:
            self.study.prune(trial.number, str(job.ending.reason))
        elif job.finished:
            values = objectives(read_object(job.folder / OUTCOME), self.study.settings.objectives)
            if values is None:
                return False
            self.study.complete(trial.number, values)
            self._tell_trial(trial.number, values)
        else:
            return False
        return True

    def _tell_trial(self, number: int, values: Sequence[float]) -> None:
        told = ", ".join(
            f"{name} {value:.4g}" for name, value in zip(self.study.settings.objectives, values, strict=True)
        )
        log.info(f"trial {number} of {self.study.settings.n_trials}: {told}")

    def _tell_repetition(self, asked: Asked) -> None:
        same = self.study.trials[asked.number].user_attrs[SAME_AS]
        log.info(f"trial {asked.number}: the same as trial {same}, and not trained again")

    def _tell_running(self) -> None:
        elsewhere = [each for each in self.study.trials if each.state == TrialState.RUNNING]
        folders = {str(each.user_attrs.get(FOLDER)) for each in elsewhere}
        if elsewhere:
            log.info(f"{counted_in_words(len(elsewhere), 'trial')} of other commands still running, or broken off:")
            for folder in sorted(folders):
                log.info(f"    {folder}  (sweep.resume={folder} goes on with it, once it has ended)")

    def _bar(self) -> Bar:
        total = self.study.settings.n_trials
        return Bar(total, "trial", initial=min(total, self._done))

    @property
    def _done(self) -> int:
        return sum(each.state in (TrialState.COMPLETE, TrialState.PRUNED) for each in self.study.trials)

    def _show(self, bar: Bar) -> None:
        bar.n = min(self._done, self.study.settings.n_trials)
        found = best(self.record())
        if found and found[0].values:
            bar.set_postfix_str(f"best: trial {found[0].number}, {found[0].values[0]:.4g}", refresh=False)
        bar.refresh()

    def record(self, *, importance: bool = False) -> StudyRecord:
        """Return the study as plain records."""
        settings = self.study.settings
        return StudyRecord(
            name=self.study.study.study_name,
            storage=place_of(settings.storage, self.sweep.folder),
            n_trials=settings.n_trials,
            objectives=list(settings.objectives),
            directions=list(settings.directions),
            keys=list(self.study.space.distributions),
            importance=self.study.importance() if importance else {},
            trials=[asdict(trial_record(each)) for each in self.study.trials],
        )

    def write(self, *, importance: bool = False) -> None:
        """Write `study.json`."""
        self.record(importance=importance).write(self.sweep.folder)
