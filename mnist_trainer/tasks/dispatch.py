"""From Hydra's job to a task: the typed configuration, the outcome on disk, the exit code."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from mnist_trainer.complaints.origin import Origin, overrides_as_typed
from mnist_trainer.composition import tracking_of, typed
from mnist_trainer.config import CommandConfig, Config
from mnist_trainer.credentials import hidden
from mnist_trainer.errors import ConfigError, DivergedError, MnistTrainerError, PrunedError, error_in_words
from mnist_trainer.files import JOURNAL, at_home, write_whole
from mnist_trainer.hyperparameters import suggestion
from mnist_trainer.journal.reading import read_start
from mnist_trainer.process import collect_garbage_again
from mnist_trainer.runs import record
from mnist_trainer.runs.folder import PRUNED, outcome_of, run_folder
from mnist_trainer.runs.outcome import TaskOutcome, concluding_outcome, forget_folder, status_of_error, write_outcome
from mnist_trainer.runs.record import JobName
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.shipping.place import Place
from mnist_trainer.shipping.position import Position
from mnist_trainer.sweeps.apart import HandedDown
from mnist_trainer.sweeps.names import job_in_mlflow
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.sweep import BASIC_LAUNCHER
from mnist_trainer.sweeps.tuning.settings import is_tuned
from mnist_trainer.tasks.resume import resume
from mnist_trainer.tasks.sync import sync
from mnist_trainer.tasks.train import train
from mnist_trainer.training.trainer import Callback

log = logging.getLogger(__name__)

TASKS = ("train", "compare", "gradcheck", "explain", "profile", "predict", "evaluate", "export", "sync")

begun = False
"""Whether a job began to run in this process: until then all exceptions are of its composition."""
exit_code = 0
"""What the last job that ran in this process amounts to."""
error: MnistTrainerError | OSError | None = None
"""Why it failed, if a user can mend it."""


def run_job(job: DictConfig) -> float | None:
    """Run the task of a job; in a sweep a failure is written down and the others go on.

    Returns the validation loss, for Hydra's optimizing sweepers.
    """
    global begun, exit_code, error
    begun = True
    collect_garbage_again()
    hydra = HydraConfig.get()
    if OmegaConf.get_type(job) is not CommandConfig:
        form = "a main file begins with 'defaults: [config, _self_]': there are no groups otherwise"
        error = ConfigError(f"--config-name {hydra.job.config_name}: {form}")
        exit_code = error.exit_code
        return None
    work_where_task_was_typed(Path(hydra.runtime.cwd))
    if hydra.job.chdir:
        log.warning("hydra.job.chdir changes nothing: paths are meant from where the command is typed")
    job.outputs = at_home(str(job.outputs))
    folder, root = Path(hydra.runtime.output_dir), Path(job.outputs).absolute()
    in_sweep = hydra.mode == RunMode.MULTIRUN
    overrides = overrides_as_typed(hydra)
    alone = not in_sweep or (hydra.launcher._target_ == BASIC_LAUNCHER and not is_tuned(hydra))
    handed = HandedDown.read() if in_sweep else None
    sweep = handed.record if handed is not None else SweepRecord.read(folder.parent) if in_sweep else None
    parent, named = (None, None) if sweep is None else (sweep.run, job_in_mlflow(sweep, overrides))
    apart = None
    try:
        hide_passwords_of_hydra(folder)
        if handed is not None:
            handed.take(folder, job.tracking.wait_seconds)
            job.tracking.uri, job.tracking.experiment = handed.uri, handed.experiment
            apart = handed.run_of(folder)
            if outcome_of(folder).get("status") == PRUNED:  # on another host, before this one was asked
                return None
        if job.resume is not None or is_begun(folder, parent):
            check_resume(job, folder)
            given = str(job.resume or folder)
            result = resume(
                given, folder, overrides, parent=parent, alone=alone, called=named, judged=trial_judges, apart=apart
            )
            if apart is not None:
                send_rest(folder, job)
            return result.validation_loss
        with concluding_outcome(folder, root, overrides, keep=in_sweep):
            config = typed(job, Origin.of(hydra))
            if config.task.name == "sync":
                exit_code = sync(config)
                forget_folder(folder, root)
                return None
            answer = run_task(config, folder, overrides, parent=parent, alone=alone, called=named, apart=apart)
            if config.task.name != "train":  # which has done so itself
                write_outcome(folder, "FINISHED", None, overrides, answer.result)
            exit_code = max(exit_code, answer.exit_code)
            return answer.objective
    except (MnistTrainerError, OSError) as failure:  # an OSError: a full disk, say
        if isinstance(failure, PrunedError | DivergedError) and in_sweep and is_tuned(hydra):
            log.info(f"{folder.name}: {failure}")  # its study's answer
            return None
        if apart is not None and not (folder / JOURNAL).exists():
            tell_failure(folder, job, failure, parent=parent, apart=apart)
        unusable = isinstance(failure, PermissionError)  # what was named belongs to somebody else
        exit_code = failure.exit_code if isinstance(failure, MnistTrainerError) else 2 if unusable else 1
        error = failure  # raised here, Hydra would put a line of its own before it
        if in_sweep:
            log.error(error_in_words(failure))
    except Exception:
        if not in_sweep:
            raise
        exit_code = 1
        log.exception("the job failed")
    return None


def work_where_task_was_typed(folder: Path) -> None:
    """Work where the command was typed, as far as this host has that folder: launchers start jobs anywhere."""
    with suppress(OSError):
        if Path.cwd() != folder:
            os.chdir(folder)


def send_rest(folder: Path, job: DictConfig) -> None:
    """Send what a finished job of another host's sweep could not send before."""
    position = Position.load(folder)
    if position is None or not position.done:
        with shipped(Tracked(tracking_of(job), folder), folder, apart=True):
            pass


def tell_failure(folder: Path, job: DictConfig, failure: Exception, *, parent: str | None, apart: str) -> None:
    """Let the sweep of another host know why a job could not begin."""
    tracked = Tracked(tracking_of(job), folder)
    name, (status, reason) = folder.name, status_of_error(failure)
    place = Place(tracked.config.experiment or str(job.data.name))
    journal = record.begin_run_journal(
        folder, tracked.record("run", place=place, name=name, parent=parent, apart=apart)
    )
    journal.end(status, reason)
    journal.close()
    send_rest(folder, job)


def hide_passwords_of_hydra(folder: Path) -> None:
    """Hide those in the files that Hydra has written: one that a file in `conf/` holds, say."""
    for path in (*folder.glob(".hydra/*.yaml"), folder.parent / "multirun.yaml"):
        if path.exists() and (safe := hidden(text := path.read_text(encoding="utf-8"))) != text:
            write_whole(path, safe)


def is_begun(folder: Path, parent: str | None) -> bool:
    """Whether a sweep's job has begun before: its cluster has taken it down, and starts it again."""
    start = read_start(folder) if parent is not None and (folder / JOURNAL).exists() else None
    return start is not None and start.parent == parent


def check_resume(job: DictConfig, folder: Path) -> None:
    """Raise `ConfigError` where `resume` has no meaning; the jobs of a sweep that goes on have it, too."""
    if job.task.name != "train":
        raise ConfigError(f"resume goes on with training: leave task={job.task.name} out")
    if job.resume is not None and folder != run_folder(str(job.resume), Path(str(job.outputs))):
        raise ConfigError("resume goes on in the run's own folder: leave hydra.run.dir out")


def trial_judges(config: Config) -> Sequence[Callback]:
    """Return who may end the job at hand: the study whose trial it is, if it is one."""
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN or not is_tuned(hydra):
        return ()
    from mnist_trainer.sweeps.tuning.pruning import judges  # which loads Optuna

    return judges(hydra, Path(hydra.runtime.output_dir), config.epochs)


def run_task(
    config: Config,
    folder: Path,
    overrides: Sequence[str],
    *,
    parent: str | None,
    alone: bool,
    called: JobName | None,
    apart: str | None,
) -> TaskOutcome:
    """Run a task that keeps a folder; tasks but training are imported only when they are asked for."""
    match config.task.name:
        case "train":
            judges = trial_judges(config)
            result = train(
                config,
                folder,
                parent=parent,
                alone=alone,
                overrides=overrides,
                called=called,
                judges=judges,
                apart=apart,
            )
            return TaskOutcome(0, result.told, result.validation_loss)
        case "compare":
            from mnist_trainer.tasks.compare import compare

            return compare(config, folder, alone=alone, overrides=overrides)
        case "gradcheck":
            from mnist_trainer.tasks.gradcheck import gradcheck

            return gradcheck(config, folder)
        case "explain":
            from mnist_trainer.tasks.explain import explain

            return explain(config, folder)
        case "profile":
            from mnist_trainer.tasks.profile import profile

            return profile(config, folder)
        case "predict":
            from mnist_trainer.tasks.predict import predict

            return predict(config, folder, overrides)
        case "evaluate":
            from mnist_trainer.tasks.evaluate import evaluate

            return evaluate(config, folder, overrides)
        case "export":
            from mnist_trainer.tasks.export import export

            return export(config, folder)
        case unknown:
            raise ConfigError(f"task={unknown} is unknown{suggestion(unknown, TASKS)}")
