"""Ctrl-C and SIGTERM as a request that the loop answers after the batch at hand."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop; `signal` is the number of the signal that asked."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number

    def __reduce__(self) -> tuple[type["Interrupted"], tuple[int]]:
        """Let it pass from a worker process to the one that waits for it."""
        return Interrupted, (self.signal,)

    @property
    def exit_code(self) -> int:
        """The shell's convention: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal


def raise_on_signals() -> None:
    """Let SIGINT and SIGTERM raise `Interrupted`."""
    _answer(_raise)


def leave_on_signals() -> None:
    """Let SIGINT and SIGTERM end the process at once, with a line that says so: where there is nothing to be saved."""
    _answer(_leave)


def _answer(handler: Callable[[int, FrameType | None], None]) -> None:
    if threading.current_thread() is threading.main_thread():  # only there Python has signal handlers
        for number in SIGNALS:
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _leave(number: int, frame: FrameType | None) -> None:
    interrupted = Interrupted(number)
    with suppress(OSError):  # of a terminal that is gone
        os.write(2, f"mnist_trainer: interrupted by {interrupted}\n".encode())
    os._exit(interrupted.exit_code)


class Interruption:
    """Within `with`, a first SIGINT or SIGTERM sets `requested`; a second one raises `Interrupted` at once.

    Outside the main thread, where Python has no signal handlers, it changes nothing.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "Interruption":
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not Python's own

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested is not None:
            raise Interrupted(self.requested)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise Interrupted(number)
        self.requested = number
