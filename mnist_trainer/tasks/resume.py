"""resume=: go on with a run that was interrupted, to its end."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mnist_trainer.composition import override_key
from mnist_trainer.config import Config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.files import CONFIG, CUT, OUTCOME
from mnist_trainer.hyperparameters import picked_hyperparameters
from mnist_trainer.runs.changes import changed
from mnist_trainer.runs.folder import OutcomeEnding, is_finished, outcome_of, read_run_config
from mnist_trainer.runs.outcome import write_failure
from mnist_trainer.runs.record import JobName
from mnist_trainer.runs.resumption import Resumption
from mnist_trainer.runs.run import Result
from mnist_trainer.tasks.train import train
from mnist_trainer.training.trainer import Callback
from mnist_trainer.words import shown

log = logging.getLogger(__name__)


def resume(
    named: str,
    folder: Path,
    given: Sequence[str],
    *,
    parent: str | None = None,
    alone: bool = True,
    data: Dataset | None = None,
    called: JobName | None = None,
    judged: Callable[[Config], Sequence[Callback]] = lambda config: (),
    apart: str | None = None,
) -> Result:
    """Go on with the run in `folder`, which `resume=named` means; of a finished run, say so and return its result.

    `given` are the command line's overrides; for the others see `train`, whose judges `judged` returns. What is raised
    before the run goes on changes nothing in its folder, but that a sweep's job says there why it can't. Raises
    `ConfigError` if they contradict the run, or ask a finished one for other epochs.
    """
    outcome = outcome_of(folder)
    if outcome.get("status") == "FINISHED" and is_finished(folder):
        try:
            own, result = (
                picked_hyperparameters(OutcomeEnding, outcome).overrides,
                replace(picked_hyperparameters(Result, outcome), folder=str(folder)),
            )
        except ConfigError as error:
            raise DataError(f"{folder / OUTCOME}: not that of a finished run: {error}") from error
        check_given_to_finished(folder, own, given)
        log.info(
            f"{shown(folder)}: this run is finished, after {result.epochs} epochs and its test; nothing is left to do"
        )
        return result
    overrides: Sequence[str] = [override for override in given if override_key(override) != "resume"]
    resumption = None
    try:
        resumption = Resumption.prepared(named, folder, given)
        config, overrides = resumption.config, resumption.overrides
        result = train(
            config,
            folder,
            parent=parent,
            alone=alone,
            overrides=overrides,
            resumption=resumption,
            data=data,
            called=called,
            judges=judged(config),
            apart=apart,
        )
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        if parent is not None or (resumption is not None and resumption.begun):
            write_failure(folder, error, overrides)
        raise
    finally:
        if resumption is not None:
            resumption.journal.close()
        if outcome_of(folder).get("status") == "FINISHED":  # also when the wait for the shipper was interrupted
            (folder / CUT).unlink(missing_ok=True)
    return result


def check_given_to_finished(folder: Path, own: Sequence[str], given: Sequence[str]) -> None:
    """Raise `ConfigError` for what a finished run's result is no answer to."""
    if {override_key(override) for override in given} <= {"resume"}:
        return
    config = read_run_config(folder / CONFIG)
    _, _, changes = changed(config, own, given)
    if "epochs" in changes:
        raise ConfigError(
            f"epochs={changes['epochs']}: the run is finished, with epochs={config.epochs}, and can't go on; "
            "leave epochs out for its result, or start a new run"
        )
