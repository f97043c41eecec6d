"""How a run ended, in its folder: `outcome.json`, or no folder at all if it never began."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mnist_trainer.errors import ConfigError, DivergedError, MnistTrainerError, PrunedError, error_in_words
from mnist_trainer.files import JOURNAL, OUTCOME, write_whole
from mnist_trainer.journal.events import Status
from mnist_trainer.runs.folder import PRUNED, outcome_of

log = logging.getLogger(__name__)

HYDRA_FILES = {".hydra", "mnist_trainer.log"}


@dataclass(frozen=True)
class TaskOutcome:
    """What a task came to: the command's exit code, what `outcome.json` says, and a number for Hydra's sweepers."""

    exit_code: int
    result: Mapping[str, object]
    objective: float | None = None  # to be made small


@contextmanager
def concluding_outcome(folder: Path, root: Path, overrides: Sequence[str], *, keep: bool = False) -> Iterator[None]:
    """Write down a failure within the block; a run that never began leaves no folder, unless `keep`.

    Raises `ConfigError` if the folder holds a run already, and leaves that as it is.
    """
    if (folder / JOURNAL).exists():
        raise ConfigError(f"{folder} holds a run already: leave hydra.run.dir out, or name a new folder")
    (folder / OUTCOME).unlink(missing_ok=True)  # of a task without a journal
    try:
        yield
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        if isinstance(error, MnistTrainerError) and not keep and not (folder / JOURNAL).exists():
            forget_folder(folder, root)
        else:
            with suppress(OSError):  # a full disk must not hide what went wrong
                write_failure(folder, error, overrides)
        raise


def write_failure(folder: Path, error: BaseException, overrides: Sequence[str]) -> None:
    """Write down what ended the run before its time; one that has its result keeps that, and says so."""
    if outcome_of(folder).get("status") == "FINISHED":
        log.info("the run itself is finished, and its result kept")
        return
    status: str
    status, reason = status_of_error(error)
    more: dict[str, object] = {"exit_code": error.exit_code} if isinstance(error, MnistTrainerError) else {}
    if isinstance(error, DivergedError):
        more["diverged"] = error.facts
    if isinstance(error, PrunedError):
        status, more["pruned"] = PRUNED, error.facts
    try:
        write_outcome(folder, status, reason, overrides, more)
    except OSError as failure:
        log.error(f"{error_in_words(failure)}; it would say how the run ended")


def status_of_error(error: BaseException) -> tuple[Status, str]:
    """Return how a run ended that this ended, and why."""
    match error:
        case KeyboardInterrupt():
            return "KILLED", f"interrupted by {error}" if error.args else "interrupted"
        case PrunedError():  # as it should
            return "FINISHED", str(error)
        case SystemExit() if isinstance(
            error.__context__, KeyboardInterrupt
        ):  # by a handler that was there before ours
            return status_of_error(error.__context__)
        case MnistTrainerError():
            return "FAILED", str(error)
        case OSError():
            return "FAILED", error_in_words(error)
        case _:
            return "FAILED", f"{type(error).__name__}: {error}"


def write_outcome(
    folder: Path,
    status: str,
    reason: str | None,
    overrides: Sequence[str],
    result: Mapping[str, object] | None = None,
) -> None:
    """Write `outcome.json`, whole or not at all."""
    outcome = {"status": status, "reason": reason, "overrides": list(overrides), **(result or {})}
    write_whole(folder / OUTCOME, json.dumps(outcome, indent=2) + "\n")


def forget_folder(folder: Path, root: Path) -> None:
    """Remove the folder of a job that never began, if it holds Hydra's own files and nothing else.

    With it goes what is left empty between it and the day's folder in `root`.
    """
    if not {path.name for path in folder.iterdir()} <= HYDRA_FILES:
        return
    shutil.rmtree(folder, ignore_errors=True)
    for parent in folder.parents:
        if not parent.is_relative_to(root) or parent.parent in (root, root.parent):
            break
        try:
            parent.rmdir()
        except OSError:  # it holds something else
            break
