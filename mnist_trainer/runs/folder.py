"""Runs in their folders: which one `resume=` means, and whether it is finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from mnist_trainer.composition import restored
from mnist_trainer.config import Config
from mnist_trainer.errors import ConfigError, DataError, as_data_errors, error_reason
from mnist_trainer.files import CONFIG, JOURNAL, MOST_YAML, OUTCOME, OVERRIDES, at_home, read_object, read_text
from mnist_trainer.journal.events import Start
from mnist_trainer.journal.reading import is_alive, is_running, read_end, read_start
from mnist_trainer.words import folder_name, given, shown

LATEST = "latest"
PRUNED = "PRUNED"
"""The status, in its outcome file, of a study's trial that was ended early: it has no result, and is no failure."""


def run_folder(resume: str, outputs: Path) -> Path:
    """Return the folder of the run that `resume` names: that folder, a checkpoint in it, or `latest` in `outputs`.

    Raises `ConfigError` that says what would fit.
    """
    if resume == LATEST:
        found = unfinished_runs(outputs)
        if not found:
            raise ConfigError(f"resume=latest: no unfinished run in {shown(outputs)}: name a run's folder")
        return found[-1]
    path = Path(at_home(resume)).absolute()
    try:
        if not path.exists():
            raise ConfigError(f"resume={resume}: no such file or folder; name a run's folder, or a checkpoint in it")
        folder = path.parent if path.is_file() else path
        start, above = (read_start(each) if (each / JOURNAL).exists() else None for each in (folder, folder.parent))
    except OSError as error:
        raise ConfigError(f"resume={resume}: {error.filename}: can't be read: {error.strerror}") from error
    if start is not None and start.kind == "sweep":
        raise ConfigError(
            f"resume={resume}: the folder of a sweep; --multirun {given('sweep.resume', resume)} goes on with it"
        )
    if start is not None and start.kind != "run":
        raise ConfigError(f"resume={resume}: the folder of a {start.kind}; only single runs can be resumed")
    if above is not None and above.kind == "comparison":
        raise ConfigError(f"resume={resume}: part of a comparison, whose runs can't go on alone; start it again")
    if start is None and not (folder / CONFIG).exists():
        raise ConfigError(f"resume={resume}: no run in there; name a run's folder (with a {JOURNAL}), or a checkpoint")
    if start is None:  # before anything is written into a folder that may be somebody else's
        try:
            read_run_config(folder / CONFIG)
        except DataError as error:
            raise ConfigError(f"resume={resume}: no run in there: {error}") from error
    return folder


def unfinished_runs(outputs: Path) -> list[Path]:
    """Return the folders of single runs that ended before their time and might go on, oldest first.

    Runs of sweeps and comparisons don't count, nor do those that diverged: they would again. One of another host that
    has written no end is running as long as it isn't silent for an hour.
    """
    found: list[tuple[int, Path]] = []
    for journal in outputs.absolute().glob(f"*/*/{JOURNAL}"):
        try:
            start = read_start(journal.parent)
            over = is_finished(journal.parent) or has_diverged(outcome_of(journal.parent).get("reason"))
            if start is not None and start.kind == "run" and not over and not run_is_live(journal.parent, start):
                found.append((start.start_time, journal.parent))
        except OSError:  # none that could go on
            continue
    return [folder for _, folder in sorted(found)]


def run_is_live(folder: Path, start: Start) -> bool:
    """Whether a process may be at this run: it has written no end, and its writer lives."""
    return is_alive(folder) or (read_end(folder) is None and is_running(folder, start))


def is_finished(folder: Path) -> bool:
    """Whether the run's journal says so: its result was written before that."""
    end = read_end(folder)
    return end is not None and end.status == "FINISHED"


def outcome_of(folder: Path) -> Mapping[str, Any]:
    """Return what a run's outcome file says; nothing if it has none."""
    try:
        return read_object(folder / OUTCOME)
    except (OSError, ValueError):
        return {}


def _run_dir(resume: str | None, outputs: str, now: str, unique: str, *, _root_: DictConfig) -> str:
    if resume is not None:  # what is composed beside it need not be whole, nor have a name
        return str(run_folder(str(resume), Path(outputs)))
    return f"{outputs}/{now}-{folder_name(str(_root_.name))}-{unique}"


OmegaConf.register_new_resolver("mnist_trainer.run_dir", _run_dir, replace=True)
OmegaConf.register_new_resolver("mnist_trainer.folder_name", lambda name: folder_name(str(name)), replace=True)
OmegaConf.register_new_resolver(
    "mnist_trainer.unless", lambda given, value: value if given is None else None, replace=True
)


@dataclass(frozen=True)
class OutcomeEnding:
    """What every outcome file says."""

    status: str
    reason: str | None
    overrides: list[str]
    exit_code: int | None = None  # of what failed


def has_diverged(reason: object) -> bool:
    """Tell whether a run ended for the reason that its loss or gradient was no longer finite: it would again."""
    return str(reason).startswith("diverged")


def overrides_of_planned_run(job_folder: Path) -> list[str]:
    """Return the overrides that Hydra wrote down before the job began; none if it did not come to that."""
    try:
        found = yaml.safe_load(read_text(job_folder / OVERRIDES, MOST_YAML))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    return [str(override) for override in found] if isinstance(found, list) else []


def read_run_config(path: Path) -> Config:
    """Read a run's resolved configuration; raises `DataError` naming the file."""
    try:
        values = yaml.load(read_text(path, MOST_YAML), RunYamlLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a readable configuration: {error_reason(error)}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a configuration")
    with as_data_errors(path):
        return restored(values)


class RunYamlLoader(yaml.SafeLoader):
    """A safe loader without aliases, by which a few lines can stand for more than the memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; raises a `YAMLError` for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        return super().compose_node(parent, index)
