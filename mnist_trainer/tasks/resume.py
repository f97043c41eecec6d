"""resume=: go on with a run that was interrupted, to its end."""

import logging
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from mnist_trainer.analysis.sweep.jobs import key_of
from mnist_trainer.composition import restored
from mnist_trainer.errors import ConfigError
from mnist_trainer.tasks.changes import changed
from mnist_trainer.tasks.outcome import write_failure
from mnist_trainer.tasks.resumption import Resumption, read_config
from mnist_trainer.tasks.runs import CONFIG, is_finished, outcome_of
from mnist_trainer.tasks.shipping import shown
from mnist_trainer.tasks.train import Result, train
from mnist_trainer.tracking.cutting import CUT

log = logging.getLogger(__name__)


def resume(named: str, folder: Path, given: Sequence[str]) -> Result:
    """Go on with the run in `folder`, which `resume=named` means; of a finished run, say so and return its result.

    `given` are the command line's overrides. What is raised before the run goes on changes nothing in its folder.
    Raises `ConfigError` if they contradict the run, or ask a finished one for other epochs.
    """
    outcome = outcome_of(folder)
    if outcome.get("status") == "FINISHED" and is_finished(folder):
        check_given(folder, outcome["overrides"], given)
        result = Result(**{field.name: outcome[field.name] for field in fields(Result)})
        log.info(
            f"{shown(folder)}: this run is finished, after {result.epochs} epochs and its test; nothing is left to do"
        )
        return result
    resumption = Resumption.prepared(named, folder, given)
    overrides = resumption.overrides
    try:
        result = train(resumption.config, folder, overrides=overrides, resumption=resumption)
        (folder / CUT).unlink(missing_ok=True)
    except (KeyboardInterrupt, Exception) as error:
        if resumption.begun:
            write_failure(folder, error, overrides)
        raise
    finally:
        resumption.journal.close()
    return result


def check_given(folder: Path, own: Sequence[str], given: Sequence[str]) -> None:
    """Raise `ConfigError` for what a finished run's result is no answer to."""
    if {key_of(override) for override in given} <= {"resume"}:
        return
    config = restored(read_config(folder / CONFIG))
    epochs = config.epochs
    _, changes = changed(config, own, given)
    if "epochs" in changes:
        raise ConfigError(
            f"epochs={changes['epochs']}: the run is finished, with epochs={epochs}, and can't go on; "
            "leave epochs out for its result, or start a new run"
        )
