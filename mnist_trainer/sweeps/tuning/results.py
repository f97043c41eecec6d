"""How trials came out: a finished job's objectives, and a trial as a plain record."""

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from mnist_trainer.sweeps.tuning.record import TrialRecord
from mnist_trainer.sweeps.tuning.study import FOLDER, JOB, REASON, SAME_AS


def objectives(outcome: dict[str, Any], names: Sequence[str]) -> list[float] | None:
    """Return a finished job's objectives from its outcome file; None if it doesn't tell them."""
    seconds, epochs = outcome.get("training_seconds"), outcome.get("epochs")
    told = {
        "validation/loss": outcome.get("validation_loss"),
        "validation/accuracy": outcome.get("validation_accuracy"),
        "parameters": outcome.get("parameters"),
        "epoch_seconds": seconds / epochs if seconds is not None and epochs else None,
    }
    values = [float(value) for name in names if (value := told[name]) is not None]
    return values if len(values) == len(names) else None


def trial_record(trial: FrozenTrial) -> TrialRecord:
    """Return a trial as a plain record."""
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        params=dict(trial.params),
        values=None if trial.values is None else [float(value) for value in trial.values],
        curve=[[step, float(value)] for step, value in sorted(trial.intermediate_values.items())],
        seconds=None if trial.duration is None else trial.duration.total_seconds(),
        folder=trial.user_attrs.get(FOLDER),
        job=trial.user_attrs.get(JOB),
        same_as=trial.user_attrs.get(SAME_AS),
        reason=trial.user_attrs.get(REASON),
    )
