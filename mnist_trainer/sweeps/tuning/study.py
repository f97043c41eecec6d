"""A study, as the tuner sees it: its trials, and how they came out. Several tuners may share one."""

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnist_trainer.composition import override_key
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
        own = sorted([*study_overrides(overrides), f"objective={','.join(settings.objectives)}"])
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

    def complete(self, number: int, values: Sequence[float]) -> None:
        """Tell a trial's values."""
        self.study.tell(number, list(values))

    def prune(self, number: int, reason: str) -> None:
        """Tell that a trial ended early, since it was worse than others or diverged: the sampler learns from it."""
        self._set(number, REASON, reason)
        self.study.tell(number, state=TrialState.PRUNED)

    def fail(self, number: int, reason: str) -> None:
        """Tell that a trial has no answer."""
        self._set(number, REASON, reason)
        self.study.tell(number, state=TrialState.FAIL)

    def take_back(self, number: int) -> None:
        """Tell that a trial was never to be run: it has no reason, and no report counts it."""
        self.study.tell(number, state=TrialState.FAIL)

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

    def _set(self, number: int, key: str, value: Any) -> None:
        self.study._storage.set_trial_user_attr(self.trials[number]._trial_id, key, value)


def counted(trials: Iterable[FrozenTrial]) -> int:
    """Count the trials that a study's total is of."""
    return sum(each.state in COUNTED for each in trials)


def study_overrides(overrides: Iterable[str]) -> list[str]:
    """Return the overrides that say what is searched, without those of how a job is done."""
    return [each for each in overrides if not is_means(override_key(each))]
