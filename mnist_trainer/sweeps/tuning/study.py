"""A study, as the tuner sees it: what to run next, and how it came out. Several tuners may share one."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnist_trainer.composition import key_of
from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.overrides import is_means
from mnist_trainer.sweeps.tuning.choices import pruner_of, sampler_of
from mnist_trainer.sweeps.tuning.settings import Settings
from mnist_trainer.sweeps.tuning.space import Space
from mnist_trainer.sweeps.tuning.storage import open_storage, place_of

COUNTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
"""The states of which a study has `n_trials`: what failed, or was taken back, doesn't count."""
BEGUN, FOLDER, JOB, SAME_AS, REASON = "overrides", "folder", "job", "same_as", "reason"
"""What we write beside Optuna's own: of the study its overrides; of a trial its sweep, its job there, and so on."""
TRIES = 20


@dataclass(frozen=True)
class Asked:
    """A trial that was asked for; one that is `done` had been trained before, and has that one's values."""

    number: int
    params: Mapping[str, Any]
    done: bool


def study_name(settings: Settings, folder: Path) -> str:
    """Return the name that was given, or that of the sweep's folder."""
    return settings.study_name or folder.name


def load(settings: Settings, folder: Path, epochs: int) -> optuna.Study:
    """Open the study of the sweep in `folder`, or create it; raises `ConfigError` if it can't be this one's."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = study_name(settings, folder)
    study = optuna.create_study(
        study_name=name,
        storage=open_storage(place_of(settings.storage, folder)),
        directions=[StudyDirection[each.upper()] for each in settings.directions],
        pruner=pruner_of(settings.pruner, epochs),
        load_if_exists=True,
    )
    directions = tuple(each.name.lower() for each in study.directions)
    if directions != settings.directions:
        raise ConfigError(
            f"hydra.sweeper.study_name={name}: that study is to {' and '.join(directions)}, and the objective of this "
            f"command to {' and '.join(settings.directions)}; give another study_name"
        )
    return study


class TunedStudy:
    """A study, with the space that this command searches."""

    def __init__(self, study: optuna.Study, settings: Settings, space: Space) -> None:
        self.study, self.settings, self.space = study, settings, space

    @classmethod
    def opened(
        cls, settings: Settings, space: Space, folder: Path, epochs: int, overrides: Sequence[str]
    ) -> "TunedStudy":
        """Open the study, or create it; raises `ConfigError` if it was begun with other overrides."""
        sampler_of(settings.sampler, space.distributions, 0)
        study = load(settings, folder, epochs)
        own = sorted([*essential(overrides), f"objective={','.join(settings.objectives)}"])
        begun = study.user_attrs.get(BEGUN)
        if begun is None:
            study.set_user_attr(BEGUN, own)
        elif begun != own:
            other = sorted(set(begun) ^ set(own))
            raise ConfigError(
                f"hydra.sweeper.study_name={study.study_name}: that study was begun with {' '.join(begun)}; "
                f"{', '.join(other)} differs: give the same, or another study_name"
            )
        return cls(study, settings, space)

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, of other tuners too."""
        return self.study.get_trials(deepcopy=False)

    def ask(self, mark: Mapping[str, Any]) -> Asked | None:
        """Ask for a trial, and `mark` it; None when the study has all its trials.

        Other tuners ask at the same time: a trial with a number beyond those that count is taken back at once, and
        so is one that runs elsewhere already.
        """
        for tried in range(TRIES):
            before = self.trials
            if counted(before) >= self.settings.n_trials:
                return None
            self.study.sampler = sampler_of(self.settings.sampler, self.space.distributions, len(before))
            try:
                trial = self.study.ask(dict(self.space.distributions))
            except ValueError as error:  # of a sampler that can't have this space
                raise ConfigError(f"hydra.sweeper.sampler={self.settings.sampler.name}: {error}") from None
            earlier = [each for each in self.trials if each.number < trial.number]
            if counted(earlier) >= self.settings.n_trials:
                self.fail(trial.number)
                return None
            same = [each for each in earlier if each.params == trial.params and each.state in COUNTED]
            finished = next((each for each in same if each.state != TrialState.RUNNING), None)
            if same and finished is None and tried < TRIES - 1:
                self.fail(trial.number)
                continue
            for key, value in mark.items():
                trial.set_user_attr(key, value)
            if finished is not None:
                self._repeat(trial, finished)
            return Asked(trial.number, trial.params, finished is not None)
        raise AssertionError

    def again(self, number: int, mark: Mapping[str, Any]) -> int:
        """Begin a trial that failed once more, as a new one with its values; returns its number."""
        failed = self.trials[number]
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=failed.params,
            distributions=failed.distributions,
            user_attrs={**failed.user_attrs, **mark},
        )
        storage = self.study._storage
        return storage.get_trial(storage.create_new_trial(self.study._study_id, template)).number

    def complete(self, number: int, values: Sequence[float]) -> None:
        """Tell a trial's values."""
        self._tell(number, values=list(values))

    def prune(self, number: int, reason: str) -> None:
        """Tell that a trial ended early, since it was worse than others or diverged: the sampler learns from it."""
        self._set(number, REASON, reason)
        self._tell(number, state=TrialState.PRUNED)

    def fail(self, number: int, reason: str = "") -> None:
        """Tell that a trial has no answer."""
        if reason:
            self._set(number, REASON, reason)
        self._tell(number, state=TrialState.FAIL)

    def importance(self) -> dict[str, float]:
        """Tell how much of the spread of the first objective each key explains, as far as the trials can tell."""
        complete = [each for each in self.trials if each.state == TrialState.COMPLETE]
        if len(complete) < 4 or len({tuple(each.values) for each in complete}) < 2:
            return {}
        target = (lambda trial: trial.values[0]) if len(self.settings.objectives) > 1 else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental parts of Optuna's
            with suppress(RuntimeError, ValueError):  # of a space in which nothing varies
                found = optuna.importance.get_param_importances(self.study, target=target)
                return {key: float(value) for key, value in found.items()}
        return {}

    def _repeat(self, trial: optuna.Trial, finished: FrozenTrial) -> None:
        trial.set_user_attr(SAME_AS, finished.user_attrs.get(SAME_AS, finished.number))
        if len(self.settings.objectives) == 1:
            for step, value in finished.intermediate_values.items():
                trial.report(value, step)
        if finished.state == TrialState.COMPLETE:
            self.complete(trial.number, finished.values)
        else:
            self.prune(trial.number, finished.user_attrs.get(REASON, ""))

    def _set(self, number: int, key: str, value: Any) -> None:
        self.study._storage.set_trial_user_attr(self.trials[number]._trial_id, key, value)

    def _tell(self, number: int, **told: Any) -> None:
        with suppress(RuntimeError):  # of a sampler that has gone through its grid, and would stop a loop of Optuna's
            self.study.tell(number, **told)


def counted(trials: Iterable[FrozenTrial]) -> int:
    """Count the trials that a study's total is of."""
    return sum(each.state in COUNTED for each in trials)


def essential(overrides: Iterable[str]) -> list[str]:
    """Return the overrides that say what is searched, without those of how a job is done."""
    return [each for each in overrides if not is_means(key_of(each))]
