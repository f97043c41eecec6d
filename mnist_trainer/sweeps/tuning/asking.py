"""Which trial is next: one that was begun and left, or a new one; and whether it has to be trained at all."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.pruners import _filter_study
from optuna.trial import FrozenTrial, TrialState

from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.tuning.choices import sampler_of
from mnist_trainer.sweeps.tuning.study import COUNTED, FOLDER, REASON, SAME_AS, TunedStudy, counted

TRIES = 20


@dataclass(frozen=True)
class Asked:
    """A trial that was asked for; one that is `done` had been trained before, and has that one's values."""

    number: int
    params: Mapping[str, Any]
    done: bool


def ask(tuned: TunedStudy, mark: Mapping[str, Any], known: Container[int]) -> Asked | None:
    """Ask for a trial with this `mark`; None when the study has all its trials.

    A trial of the mark's folder that runs and isn't `known` was asked for when a command was killed: it comes first.
    Other tuners ask at the same time: a trial with a number beyond those that count is taken back at once, and so is
    one that runs elsewhere already.
    """
    for tried in range(TRIES):
        number = left_behind(tuned, str(mark[FOLDER]), known)
        if number is None:
            if counted(tuned.trials) >= tuned.settings.n_trials:
                return None
            number = begin(tuned, mark)
        trial = chosen(tuned, number)
        earlier = [each for each in tuned.trials if each.number < number]
        if counted(earlier) >= tuned.settings.n_trials:
            tuned.take_back(number)
            return None
        same = [each for each in earlier if each.params == trial.params and each.state in COUNTED]
        finished = next((each for each in same if each.state != TrialState.RUNNING), None)
        if same and finished is None and tried < TRIES - 1:
            tuned.take_back(number)
            continue
        for key, value in mark.items():
            if trial.user_attrs.get(key) != value:
                trial.set_user_attr(key, value)
        if finished is not None:
            repeat(tuned, trial, finished)
        return Asked(number, trial.params, finished is not None)
    raise AssertionError


def left_behind(tuned: TunedStudy, folder: str, known: Container[int]) -> int | None:
    """Return the first trial of a sweep's folder that runs, and that the sweep doesn't know of."""
    left = (each for each in tuned.trials if each.state == TrialState.RUNNING and each.number not in known)
    return next((each.number for each in left if each.user_attrs.get(FOLDER) == folder), None)


def begin(tuned: TunedStudy, attributes: Mapping[str, Any], like: FrozenTrial | None = None) -> int:
    """Begin a trial, in one step with whose it is, and with the values of another one, if so; returns its number.

    Optuna's own `ask` lets it be nobody's for a while, in which a command may be killed.
    """
    begun = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params=None if like is None else like.params,
        distributions=None if like is None else like.distributions,
        user_attrs=dict(attributes),
    )
    storage = tuned.study._storage
    return storage.get_trial(storage.create_new_trial(tuned.study._study_id, begun)).number


def begin_again(tuned: TunedStudy, number: int, mark: Mapping[str, Any]) -> int:
    """Begin a trial that failed once more, as a new one with its values; returns its number."""
    return begin(tuned, mark, tuned.trials[number])


def chosen(tuned: TunedStudy, number: int) -> optuna.Trial:
    """Return a trial with a value for each key, those that it has included; raises `ConfigError`.

    Its sampler has a generator of its own, and draws again what was drawn before the command was killed: what it
    draws next is what it would have drawn.
    """
    study = optuna.load_study(
        study_name=tuned.study.study_name,
        storage=tuned.study._storage,
        sampler=sampler_of(tuned.settings.sampler, tuned.space.distributions, number),
        pruner=tuned.study.pruner,
    )
    before = tuned.trials[number]
    try:
        trial = optuna.Trial(study, before._trial_id)
        for name, distribution in tuned.space.distributions.items():
            if name in before.params and name not in trial.relative_params and not distribution.single():
                study.sampler.sample_independent(_filter_study(study, before), before, name, distribution)
            trial._suggest(name, distribution)
    except ValueError as error:  # of a sampler that can't have this space
        tuned.take_back(number)
        raise ConfigError(f"hydra.sweeper.sampler={tuned.settings.sampler.name}: {error}") from None
    return trial


def repeat(tuned: TunedStudy, trial: optuna.Trial, finished: FrozenTrial) -> None:
    """Let a trial have the end of one with the same values."""
    trial.set_user_attr(SAME_AS, finished.user_attrs.get(SAME_AS, finished.number))
    if len(tuned.settings.objectives) == 1:
        told = tuned.trials[trial.number].intermediate_values
        for step, value in finished.intermediate_values.items():
            if step not in told:
                trial.report(value, step)
    if finished.state == TrialState.COMPLETE:
        tuned.complete(trial.number, finished.values)
    else:
        tuned.prune(trial.number, finished.user_attrs.get(REASON, ""))
