"""A trial as its own job sees it: it reports after each epoch, and ends early where the pruner says so."""

import logging
import math
from pathlib import Path
from typing import Any

import optuna

from mnist_trainer.errors import ConfigError, PrunedError
from mnist_trainer.sweeps.tuning.settings import NONE, REPORTED, Settings
from mnist_trainer.sweeps.tuning.study import load
from mnist_trainer.training.records import EpochRecord, Evaluation
from mnist_trainer.training.trainer import Callback, Trainer

log = logging.getLogger(__name__)


class Judge(Callback):
    """Reports the validation to the study after each epoch, and raises `PrunedError` when the pruner has seen enough.

    It comes after the callbacks that write the epoch down. A storage out of reach is told once; training goes on.
    """

    def __init__(self, study: optuna.Study, number: int, objective: str, *, prunes: bool) -> None:
        self._study, self._number, self._objective, self._prunes = study, number, objective, prunes
        self._failed = False

    def on_start(self, trainer: Trainer) -> None:
        """See that there are validation images; of a run that goes on, report its last epoch, if that is missing."""
        if not len(trainer.validation):
            raise ConfigError("data.validation_size=0: a trial is judged by its validation, and has no images for it")
        if trainer.last is not None:
            self.on_epoch(trainer.last)

    def on_epoch(self, record: EpochRecord) -> None:
        """Report, and ask."""
        assert record.validation is not None
        value = value_of(self._objective, record.validation)
        try:
            ends = self._report(record.epoch, value) and record.epoch < record.epochs
        except Exception as error:  # whatever a database's driver raises
            if not self._failed:
                log.warning(f"trial {self._number}: epoch {record.epoch} can't be reported to its study: {error}")
            self._failed = True
            return
        self._failed = False
        if ends:
            raise PrunedError(
                f"pruned after epoch {record.epoch} of {record.epochs}: {self._objective} {value:.4f} is behind other "
                "trials'",
                {"epoch": record.epoch, "epochs": record.epochs, self._objective: value},
            )

    def _report(self, epoch: int, value: float) -> bool:
        storage = self._study._storage
        trial = self._study.get_trials(deepcopy=False)[self._number]
        if epoch not in trial.intermediate_values and math.isfinite(value):
            storage.set_trial_intermediate_value(trial._trial_id, epoch, value)
        trial = storage.get_trial(trial._trial_id)
        return self._prunes and self._study.pruner.prune(self._study, trial)


def value_of(objective: str, validation: Evaluation) -> float:
    """Return the objective of an epoch's validation."""
    return validation.loss if objective == "validation/loss" else validation.accuracy


def judges(hydra: Any, folder: Path, epochs: int) -> list[Callback]:
    """Return who judges the job that Hydra runs in this folder of a sweep: its trial's study, if there is one.

    `hydra` is Hydra's own configuration.
    """
    settings = Settings.read(hydra)
    if settings.trial is None:
        return []
    objective = settings.objectives[0]
    if len(settings.objectives) > 1 or objective not in REPORTED:
        return []
    study = load(settings, folder.parent, epochs)
    return [Judge(study, settings.trial, objective, prunes=settings.pruner.name != NONE)]
