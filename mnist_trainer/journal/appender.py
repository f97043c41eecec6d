"""Whole lines appended to a file, on a disk that may be full for a while."""

import os


class Appender:
    """Appends lines to an open file, in its order; those that can't be written wait in memory for the next try.

    The file never keeps half a line, unless the process is killed while it writes one. `failure` is what kept the last
    try from writing, if anything did.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.waiting = b""
        self.failure: OSError | None = None
        self._descriptor, self._name = descriptor, name
        self._end = self.size  # where what waits belongs

    @property
    def size(self) -> int:
        """How many bytes are written."""
        return os.fstat(self._descriptor).st_size

    def append(self, line: bytes) -> None:
        """Write what waits, and this line, which ends in a newline."""
        self.waiting += line
        self.try_again()

    def try_again(self) -> None:
        """Write what waits."""
        try:
            try:
                data = memoryview(self.waiting)
                while data:  # a short write, where space ends, is followed by an error
                    data = data[os.write(self._descriptor, data) :]
            finally:
                self._settle()
            self.failure = None
        except OSError as error:
            self.failure = self._named(error)

    def sync(self) -> None:
        """Put all on the disk, where it survives a power failure; raises `OSError` if lines still have to wait."""
        self.try_again()
        if self.failure is not None:
            raise self.failure
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._named(error) from error

    def truncate(self, size: int) -> None:
        """Cut the file back."""
        os.ftruncate(self._descriptor, size)
        self._end = size

    def _settle(self) -> None:
        """Take the lines that are on the disk for written, and cut off half a line behind them."""
        there = self.size - self._end
        whole = self.waiting.rfind(b"\n", 0, there) + 1
        if whole < there:
            os.ftruncate(self._descriptor, self._end + whole)
        self.waiting, self._end = self.waiting[whole:], self._end + whole

    def _named(self, error: OSError) -> OSError:
        return OSError(error.errno, error.strerror, self._name)
