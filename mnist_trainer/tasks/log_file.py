"""The log in a run's folder."""

import logging
import sys


class LogFile(logging.FileHandler):
    """Leaves out what the disk has no room for, without a word: the terminal has it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Tell of what isn't the disk's."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
