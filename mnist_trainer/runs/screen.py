"""What is printed, wherever that goes: the terminal is no part of a result.

A reader may leave (`| head -1`), a disk may be full, a terminal gone or never there, and know fewer signs than are
written. None of this ends a command, changes its exit code, or is worth a traceback.
"""

import codecs
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO, cast

from mnist_trainer.process import ProcessChange, bars_away

ERRORS = "mnist_trainer.screen"
_SHOWN = ProcessChange()


def written(error: UnicodeError) -> tuple[bytes, int]:
    """Write what an encoding lacks: a file name's bytes as they are, else question marks."""
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    return b"".join(bytes([ord(sign) & 0xFF]) if "\udc80" <= sign <= "\udcff" else b"?" for sign in signs), error.end


codecs.register_error(ERRORS, written)


class Nowhere(io.TextIOBase):
    """In the place of a standard stream that was closed before the process began."""

    def write(self, text: str) -> int:
        """Lose the text."""
        return len(text)


class TerminalOutput:
    """A standard stream that takes everything; once nobody reads it, what is written goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or lose, the text."""
        with self._losing():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.flush()
                self._stream.buffer.write(text.encode(self._stream.encoding, ERRORS))
        return len(text)

    def flush(self) -> None:
        """Pass on, or lose, what is buffered."""
        with self._losing():
            self._stream.flush()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # the latter of a closed file
            with suppress(OSError, ValueError):  # what is buffered would be tried again at the process's end
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextmanager
def lenient_output() -> Iterator[None]:
    """Let the standard output and error take everything within the block."""
    for descriptor in range(3):  # a closed one's number would be the next file's, and what is printed go there
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (lenient(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def lenient(stream: Any) -> TextIO:
    """Return the stream as one that takes everything; one that was closed when the process began is None."""
    if isinstance(stream, TerminalOutput):
        return cast(TextIO, stream)
    if stream is None:
        stream = Nowhere()
    return cast(TextIO, TerminalOutput(stream))


class Screen(logging.StreamHandler[TextIO]):
    """Writes lines to a standard stream of any process, the command's own or one that runs a sweep's jobs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(lenient(stream))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a progress bar is taken away before it, and put back below it."""
        with bars_away():
            super().emit(record)


class Guest(Screen):
    """Writes lines for a caller whose logging shows warnings alone, or nothing at all; warnings stay the caller's."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line, or let the caller's handlers have a warning."""
        root = logging.getLogger()
        if root.handlers and record.levelno >= logging.WARNING:
            root.handle(record)
        else:
            super().emit(record)


def run_shown() -> AbstractContextManager[None]:
    """Within the block, print what is logged of a run where the caller's logging wouldn't show it: in a notebook, say.

    It is left to the caller where the logger `mnist_trainer` was given a level or a handler.
    """
    return _SHOWN.made(_printed)


@contextmanager
def _printed() -> Iterator[None]:
    logger = logging.getLogger("mnist_trainer")
    if logger.handlers or logger.level or (logger.hasHandlers() and logger.isEnabledFor(logging.INFO)):
        yield
        return
    guest = Guest(sys.stdout)
    logger.addHandler(guest)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(guest)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
