"""Signals that end a process, as a request that the loop answers after the batch at hand.

Whose signal it is decides what becomes of it:

- one that is ignored stays so (`nohup` and SIGHUP), but for Ctrl-C's and SIGTERM, which are always ours;
- one that had a handler before ours, a cluster's SIGUSR2, say, or a notebook's own, is handed on to that, once there
  is a checkpoint of the batch: it decides whether this process ends. Ctrl-C's is ours here, too;
- all others stop the run, as SIGTERM does.
"""

import _weakrefset
import os
import signal
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType

ALWAYS_OURS = {signal.SIGINT, signal.SIGTERM}
IMPATIENT = {*ALWAYS_OURS, *({signal.SIGQUIT} if hasattr(signal, "SIGQUIT") else ())}
"""What somebody sends again who won't wait. A lost terminal sends SIGHUP twice: its shell, then the system."""
_NAMES = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "PWR", "POLL", "STKFLT"]
SIGNALS = tuple(getattr(signal, f"SIG{name}") for name in _NAMES if hasattr(signal, f"SIG{name}"))
"""What ends a process that has no handler, and can be sent to it: not what its own faults raise."""


AGAIN_SECONDS = 0.01
_COLLECTING = {weakref.__file__, _weakrefset.__file__}


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


Handler = Callable[[int, FrameType | None], None]


def raise_on_signals() -> None:
    """Let signals raise `Interrupted`."""
    handle_signals(_raise_interrupted)


def exit_on_signals() -> None:
    """Let signals end the process at once, with a line that says so: where there is nothing to be saved."""
    handle_signals(_exit_on_signal)


def exit_on_second_signal() -> None:
    """Let a second signal end the process at once, while it puts away what a first one left: not a lost terminal's."""
    handle_signals(_exit_on_second_signal)


def handle_signals(handler: Handler) -> None:
    """Let a handler answer the signals that are not ignored."""
    for number in _signals_to_handle():
        signal.signal(number, handler)


def _signals_to_handle() -> list[signal.Signals]:
    """Return the signals that may be taken: none outside the main thread, where Python has no handlers."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [each for each in SIGNALS if each in ALWAYS_OURS or signal.getsignal(each) is not signal.SIG_IGN]


def _raise_interrupted(number: int, frame: FrameType | None) -> None:
    raise_from(frame, number)


def raise_from(frame: FrameType | None, number: int) -> None:
    """Raise `Interrupted` in the frame that a signal has met; where Python would drop it, have the signal come again.

    What is raised in an object's `__del__`, or as a weak reference ends, is printed and forgotten: the signal would
    change nothing, and now and then one falls there, as when a figure's thousand parts are collected.
    """
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename in _COLLECTING:
            again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        frame = frame.f_back
    raise Interrupted(number)


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    interrupted = Interrupted(number)
    with suppress(OSError):  # of a terminal that is gone
        os.write(2, f"mnist_trainer: interrupted by {interrupted}\n".encode())
    os._exit(interrupted.exit_code)


def _exit_on_second_signal(number: int, frame: FrameType | None) -> None:
    if number in IMPATIENT:
        _exit_on_signal(number, frame)


_OWN = (_raise_interrupted, _exit_on_signal, _exit_on_second_signal)


class Interruption:
    """Within `with`, a first signal sets `requested`; a second one of somebody impatient raises `Interrupted` at once.

    Outside the main thread, where Python has no signal handlers, it changes nothing.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._previous: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "Interruption":
        """Take the signals over."""
        for number in _signals_to_handle():
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back, and hand on one that came after the last batch."""
        handler = self._handler_before()
        for number, previous in self._previous.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)  # None: not Python's own
        if handler is not None and error is None:
            self._hand_on(handler)

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested is not None and self._handler_before() is None:
            raise Interrupted(self.requested)

    def rest(self) -> None:
        """Do as `check` where a checkpoint was written if a stop was asked for; hand on what had a handler before."""
        self.check()
        if handler := self._handler_before():
            self._hand_on(handler)

    def _hand_on(self, handler: Handler) -> None:
        assert self.requested is not None
        number, self.requested = self.requested, None
        try:
            raise Interrupted(number)
        except Interrupted:  # the context of what the handler raises, which may end the process
            handler(number, None)

    def _handler_before(self) -> Handler | None:
        """Return whose the signal that came was before, unless it is for us to answer."""
        if self.requested is None or self.requested == signal.SIGINT:
            return None
        previous = self._previous.get(self.requested)
        return previous if callable(previous) and previous not in _OWN else None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            if number in IMPATIENT and self._handler_before() is None:
                raise_from(frame, number)
            return
        self.requested = number
