"""The log in a run's folder."""

import logging
import sys
from contextlib import suppress


class RunLog(logging.FileHandler):
    """A log file whose disk may be full: that is told once, without a traceback, and what fits its buffer is kept."""

    _failed = False

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            super().flush()
        except OSError as error:
            self._tell(error)
        else:
            self._failed = False

    def close(self) -> None:
        """Close the file; what its disk has no space for is lost."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's own name)
        """Tell what went wrong with a record."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self._tell(error)
        else:
            super().handleError(record)

    def _tell(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            logging.getLogger(__name__).warning(f"{self.baseFilename}: {error.strerror}")
