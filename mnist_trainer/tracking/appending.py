"""Lines appended to a file whose disk may be full: what it doesn't take is kept, and written before the next."""

import errno
import logging
import os
from pathlib import Path

from mnist_trainer.errors import TrackingError
from mnist_trainer.tracking.locks import lock_descriptor

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

log = logging.getLogger(__name__)


class Appender:
    """The file `path`, made if missing; raises TrackingError if it can't be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = bytearray()
        self._told = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            raise TrackingError(f"{path}: a journal can't be written here: {error.strerror}") from error

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return os.fstat(self._descriptor).st_size

    def lock(self, wait_seconds: float) -> bool:
        """Take the file's lock, until it is closed; False if another process has it."""
        return lock_descriptor(self._descriptor, wait_seconds)

    def append(self, line: str) -> None:
        """Write a line, or keep it if the disk is full, which is told once."""
        self._waiting += f"{line}\n".encode()
        try:
            self._write()
            self._told = False
        except OSError as error:
            if error.errno not in FULL:
                raise self._problem(error) from error
            if not self._told:
                log.warning(f"{self._path}: {error.strerror}; what comes is kept in memory until it can be written")
            self._told = True

    def sync(self) -> None:
        """Put all of it on the disk, where it survives a power failure; raises OSError if that can't be."""
        self._write()
        os.fsync(self._descriptor)

    def settle(self) -> None:
        """Raise TrackingError if there is something that can't be written."""
        try:
            self._write()
        except OSError as error:
            raise self._problem(error) from error

    def truncate(self, size: int) -> None:
        """Cut the file back."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Give the lock back, if it is held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self) -> None:
        while self._waiting:
            del self._waiting[: os.write(self._descriptor, self._waiting)]

    def _problem(self, error: OSError) -> TrackingError:
        return TrackingError(f"{self._path}: can't be written: {error.strerror}")
