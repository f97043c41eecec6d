"""From Hydra's job to a task: the typed configuration, the outcome on disk, the exit code."""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mnist_trainer.analysis.sweep import OUTCOME
from mnist_trainer.config import typed
from mnist_trainer.errors import ConfigError, MnistTrainerError
from mnist_trainer.hyperparameters import suggestion
from mnist_trainer.tasks.sweep import parent_of
from mnist_trainer.tasks.sync import sync
from mnist_trainer.tasks.train import train
from mnist_trainer.tracking.journal import FILE as JOURNAL
from mnist_trainer.training.interruption import Interrupted

log = logging.getLogger(__name__)

TASKS = ("train", "sync")
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"

exit_code = 0
"""What the last job that ran in this process amounts to."""
error: MnistTrainerError | None = None
"""Why it failed, if a user can mend it."""


def run_job(job: DictConfig) -> float | None:
    """Run the task of a job; in a sweep a failure is written down and the others go on.

    Returns the validation loss, for Hydra's optimizing sweepers.
    """
    global exit_code, error
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    overrides = list(hydra.overrides.task)
    try:
        config = typed(job)
        if config.task.name == "sync":
            exit_code = sync(config)
            forget(folder)
            return None
        if config.task.name != "train":
            raise ConfigError(f"task={config.task.name} is unknown{suggestion(config.task.name, TASKS)}")
        alone = not in_sweep or hydra.launcher._target_ == BASIC_LAUNCHER
        result = train(config, folder, parent=parent_of(folder.parent) if in_sweep else None, alone=alone)
        write_outcome(folder, "FINISHED", None, overrides, asdict(result))
        return result.validation_loss
    except Interrupted as interruption:
        write_outcome(folder, "KILLED", f"interrupted by {interruption}", overrides)
        raise
    except MnistTrainerError as failure:
        exit_code, error = failure.exit_code, failure  # raised here, Hydra would put a line of its own before it
        if in_sweep or (folder / JOURNAL).exists():
            write_outcome(folder, "FAILED", str(failure), overrides)
        else:
            forget(folder)
        if in_sweep:
            log.error(str(failure))
        return None
    except Exception as failure:
        exit_code = 1
        write_outcome(folder, "FAILED", f"{type(failure).__name__}: {failure}", overrides)
        if not in_sweep:
            raise
        log.exception("the job failed")
        return None


def write_outcome(
    folder: Path,
    status: str,
    reason: str | None,
    overrides: list[str],
    result: Mapping[str, object] | None = None,
) -> None:
    """Write down how a job ended, in its folder, whole or not at all."""
    outcome = {"status": status, "reason": reason, "overrides": overrides, **(result or {})}
    temporary = folder / f".{OUTCOME}"
    temporary.write_text(json.dumps(outcome, indent=2) + "\n")
    temporary.replace(folder / OUTCOME)


def forget(folder: Path) -> None:
    """Remove the folder of a job that never began: it holds nothing but Hydra's own files."""
    if not (folder / JOURNAL).exists():
        shutil.rmtree(folder, ignore_errors=True)
