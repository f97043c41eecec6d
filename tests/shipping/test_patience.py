import errno
import os
import sqlite3

import pytest

from mnist_trainer.errors import TrackingError
from mnist_trainer.shipping.patience import FilesError, is_outage, may_mend, one_line

URI = "https://me:secret@host"


def system(number):
    return OSError(number, os.strerror(number))


def wrapped(cause):
    """The error, in somebody else's words."""
    try:
        try:
            raise cause
        except Exception as error:
            raise RuntimeError(f"a library of libraries failed with {error} at {URI}") from error
    except RuntimeError as error:
        return error


class NoCredentialsError(Exception):
    """As botocore's."""


def of_files(cause):
    """What the artifacts' store answered."""
    try:
        raise FilesError("journal.jsonl is not stored") from cause
    except FilesError as error:
        return error


# what fails, what is told of it, whether it may mend, whether it is surely the store's
CASES = [
    (wrapped(system(errno.ECONNREFUSED)), "Connection refused", True, True),
    (wrapped(TimeoutError("timed out")), "timed out", True, True),
    (wrapped(system(errno.ENOSPC)), "No space left on device", False, False),
    (wrapped(system(errno.EROFS)), "Read-only file system", False, False),
    (wrapped(sqlite3.OperationalError("database or disk is full")), "database or disk is full", False, False),
    (wrapped(sqlite3.OperationalError("database is locked")), "database is locked", True, False),
    (RuntimeError("(Caused by ResponseError('too many 503 error responses'))"), "answers with error 503", True, False),
    (RuntimeError(f"an odd answer from {URI}"), "an odd answer from https://host", True, False),
    (RuntimeError("BAD_REQUEST: QueuePool limit of size 5 overflow 10 reached"), "QueuePool limit", True, True),
    (TrackingError("not a store"), "not a store", False, False),
    (
        ModuleNotFoundError("No module named 'psycopg'", name="psycopg"),
        "the module psycopg is missing: pip install 'psycopg[binary]'",
        False,
        False,
    ),
    (
        RuntimeError("Detected out-of-date database schema (found version 01, but expected 02). Take a backup of"),
        "the database is of another version of MLflow: `mlflow db upgrade` takes an older one's to this version, after"
        " a backup; a newer one's needs that version here (found version 01, but expected 02)",
        False,
        False,
    ),
    (NoCredentialsError("Unable to locate credentials"), "Unable to locate credentials", False, False),
    (
        of_files(RuntimeError("Failed to upload: An error occurred (AccessDenied) when calling PutObject")),
        "journal.jsonl is not stored: Failed to upload: An error occurred (AccessDenied) when calling PutObject",
        False,
        False,
    ),
    (of_files(system(errno.ECONNREFUSED)), "journal.jsonl is not stored: Connection refused", True, True),
    (KeyError("step"), "'step'", False, False),
]


@pytest.mark.parametrize(("error", "told", "mends", "outage"), CASES)
def test_a_failure_is_told_in_a_line_without_a_password_and_waited_for_if_that_may_help(error, told, mends, outage):
    line = one_line(error, URI)
    assert told in line
    assert "secret" not in line
    assert "\n" not in line
    assert (may_mend(error), is_outage(error)) == (mends, outage)
