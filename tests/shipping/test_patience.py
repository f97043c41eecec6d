import errno
import os
import sqlite3

import pytest

from mnist_trainer.errors import TrackingError
from mnist_trainer.shipping.patience import is_outage, may_mend, one_line

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
    (TrackingError("not a store"), "not a store", False, False),
    (KeyError("step"), "'step'", False, False),
]


@pytest.mark.parametrize(("error", "told", "mends", "outage"), CASES)
def test_a_failure_is_told_in_a_line_without_a_password_and_waited_for_if_that_may_help(error, told, mends, outage):
    line = one_line(error, URI)
    assert told in line
    assert "secret" not in line
    assert "\n" not in line
    assert (may_mend(error), is_outage(error)) == (mends, outage)
