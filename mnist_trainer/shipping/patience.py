"""When to try again what has failed, a store or a journal, and whether to wait for it at the end."""

import errno
import logging
import re
import sqlite3
import time
from collections.abc import Iterator

from mnist_trainer.credentials import hidden
from mnist_trainer.errors import DeletedExperimentError, TrackingError
from mnist_trainer.journal.address import sqlite_path

POLL_SECONDS = 0.3
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0)

log = logging.getLogger(__name__)

CHARACTERS = 300
LASTING = {
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
}
PERMANENT = (ImportError, LookupError, TypeError, ValueError)  # a database's driver is missing; a damaged journal
REFUSALS = ("UNAUTHENTICATED", "PERMISSION_DENIED")
WITHOUT_RIGHTS = re.compile(r"Credential|AuthToken|Authentication")
"""What the names of the cloud libraries' errors have in common, none of which is loaded here."""
REFUSED = re.compile(r"\((AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|NoSuchBucket)\)|error code 40[13]\b")
NO_CONNECTION = "QueuePool limit"
"""SQLAlchemy's words where a server has too few for all who ask at once; MLflow calls that a bad request."""
OTHER_SCHEMA = "out-of-date database schema"  # MLflow's words for a newer one, too
PACKAGES = {"psycopg": "'psycopg[binary]'", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Where they are called otherwise than the modules in them."""


class FilesError(Exception):
    """A run's files that its artifacts' store doesn't take, while the run itself, its status too, is in MLflow."""


class Patience:
    """With one thing that failed; `error` is the last failure, in a line."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.lasting = False
        """Whether waiting a little won't help."""
        self.answered = False
        """Whether the failure is an answer, in our words."""
        self._hopeless = False
        self._failures = 0
        self._retry_at = 0.0

    @property
    def due(self) -> bool:
        """Whether to try, now."""
        return not self._hopeless and time.monotonic() >= self._retry_at

    def hurry(self) -> None:
        """Let the next try be now."""
        self._retry_at = 0.0

    def failed(self, error: Exception, uri: str) -> None:
        """Note a failure with the store at `uri`; the log gets each kind in a row once."""
        message = one_line(error, uri)
        self.answered = isinstance(error, TrackingError)
        self.lasting, self._hopeless = not may_mend(error), is_final(error)
        if message != self.error:
            log.error("%s", message, exc_info=not (self.lasting or isinstance(error, TrackingError)))
        self.error = message
        self._retry_at = time.monotonic() + BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1


def one_line(error: Exception, uri: str) -> str:
    """Say what went wrong with the store at `uri`, without a traceback and without a password."""
    if isinstance(error, TrackingError):
        return hidden(str(error))
    text = hidden(" ".join(_failure_text(_store_failure_cause(error)).split()))
    where = f"{sqlite_path(uri) or hidden(uri)}: " + (f"{error}: " if isinstance(error, FilesError) else "")
    return f"{where}{text if len(text) <= CHARACTERS else text[:CHARACTERS] + '…'}"


def is_final(error: Exception) -> bool:
    """Whether a later try can't come to anything else."""
    return isinstance(error, TrackingError) and not isinstance(error, DeletedExperimentError)


def is_outage(error: Exception) -> bool:
    """Whether it is the store that can't be reached, beyond doubt."""
    return is_busy(error) or isinstance(_store_failure_cause(error), ConnectionError | TimeoutError)


def is_busy(error: Exception) -> bool:
    """Whether a server has more to do than it can, and refuses what it would take at another time."""
    return NO_CONNECTION in str(error)


def may_mend(error: Exception) -> bool:
    """Whether waiting a little may help: not where somebody has to free space, or to give rights, first."""
    if isinstance(error, TrackingError) or getattr(error, "error_code", None) in REFUSALS:
        return False
    if OTHER_SCHEMA in str(error) or any(map(_is_refusal, _failure_chain(error))):
        return False
    match _store_failure_cause(error):
        case sqlite3.Error() as cause:
            return "locked" in str(cause)
        case OSError() as cause:
            return cause.errno not in LASTING
        case cause:
            return not isinstance(cause, PERMANENT)


def _is_refusal(error: BaseException) -> bool:
    return bool(WITHOUT_RIGHTS.search(type(error).__name__) or REFUSED.search(str(error)))


def _store_failure_cause(error: BaseException) -> BaseException:
    """Return the innermost error if it is the system's or SQLite's; MLflow and its libraries wrap it in their words."""
    if isinstance(error, FilesError) and error.__cause__ is not None:
        return _store_failure_cause(error.__cause__)
    *_, last = _failure_chain(error)
    told = isinstance(last, ConnectionError | TimeoutError | sqlite3.Error)
    return last if told or (isinstance(last, OSError) and last.strerror) else error


def _failure_text(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.filename}: {cause.strerror}" if cause.filename else cause.strerror
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        package = cause.name.partition(".")[0]
        return f"the module {cause.name} is missing: pip install {PACKAGES.get(package, package)}"
    if OTHER_SCHEMA in str(cause):
        return (
            "the database is of another version of MLflow: `mlflow db upgrade` takes an older one's to this version,"
            f" after a backup; a newer one's needs that version here ({str(cause).partition('(')[2].partition(')')[0]})"
        )
    if found := re.search(r"too many (\d+) error responses", str(cause)):
        return f"the server answers with error {found[1]}"
    return str(cause) or type(cause).__name__


def _failure_chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
