"""When to try again what has failed, a store or a journal, and whether to wait for it at the end."""

import logging
import time

from mnist_trainer.errors import TrackingError
from mnist_trainer.shipping.failures import may_mend, one_line

POLL_SECONDS = 0.3
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0)

log = logging.getLogger(__name__)


class Patience:
    """With one thing that failed; `error` is the last failure, in a line."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.lasting = False
        """Whether waiting a little won't help."""
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
        self.lasting, self._hopeless = not may_mend(error), isinstance(error, TrackingError)
        if message != self.error:
            log.error("%s", message, exc_info=not (self.lasting or isinstance(error, TrackingError)))
        self.error = message
        self._retry_at = time.monotonic() + BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1
