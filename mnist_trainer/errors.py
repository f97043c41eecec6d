"""The project's own exceptions: what a reader can mend, told without a traceback."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

UNFIT = "Linux or macOS is needed; on Windows it runs in WSL, the Windows Subsystem for Linux: wsl --install"
"""Where Python has no `fcntl`: locks that are free when their holder dies."""


class MnistTrainerError(Exception):
    """Base of all errors that are told to the user in a line or a short block; `exit_code` is the command's."""

    exit_code = 2


class ConfigError(MnistTrainerError):
    """A configuration that can't be run; each problem names its key (or layer index) and what would fit."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DataError(MnistTrainerError):
    """A data file that is missing, truncated, corrupt or swapped; the message names the file."""


class TrackingError(MnistTrainerError):
    """A journal or a tracking store that can't be used; the message names it and says what would fit."""


class DeletedExperimentError(TrackingError):
    """An experiment that was deleted in its store, which whoever deleted it has to decide on."""


class DivergedError(MnistTrainerError):
    """A loss or gradient that is no longer finite; the message, and `facts`, name the step and the layer."""

    exit_code = 1

    def __init__(self, message: str, facts: Mapping[str, str | float] | None = None) -> None:
        super().__init__(message)
        self.facts = facts or {}


class PrunedError(MnistTrainerError):
    """A trial that its study's pruner ended early, which is no failure; the message, and `facts`, name the epoch."""

    exit_code = 0

    def __init__(self, message: str, facts: Mapping[str, str | float]) -> None:
        super().__init__(message)
        self.facts = facts


class TeamError(MnistTrainerError):
    """A process of several that train together which ended before its time; the message says how."""

    exit_code = 1


class NoTeamError(TeamError):
    """Several processes that can't train together on this system; the message names what is missing."""

    exit_code = 2


class MistakeError(MnistTrainerError):
    """A mistake of the gallery that can't even run, as posted; the message says why."""

    exit_code = 1


class SlipError(MistakeError):
    """A user's own layer or loss that can't run, or returns what it must not; the message says which and what."""


class DiskError(MnistTrainerError):
    """What could not be written in the end, although the run went on; the message names the file."""

    exit_code = 1


def error_in_words(error: Exception) -> str:
    """Say what went wrong; if with a file, with which."""
    named = isinstance(error, OSError) and error.filename
    return f"{named}: {error_reason(error)}" if named else error_reason(error)


def error_reason(error: Exception) -> str:
    """Say what went wrong, without the file that it was with."""
    if isinstance(error, FileExistsError) and error.filename and not Path(error.filename).exists():
        return "a link that leads nowhere"
    why = error.strerror if isinstance(error, OSError) else None
    return why or str(error) or type(error).__name__


@contextmanager
def prefixed_problems(prefix: str) -> Iterator[None]:
    """Put a prefix before every problem of a `ConfigError` from within."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(*(prefix + problem for problem in error.problems)) from None


@contextmanager
def as_data_errors(path: Path) -> Iterator[None]:
    """Let what is wrong with a file's content be a `DataError` that names the file."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise DataError(f"{path}: {error}") from error
