"""Processes forked from one that trains, which do what it tells them until it lets them go."""

import contextlib
import functools
import gc
import logging
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

import numpy as np

from mnist_trainer.errors import NoTeamError, TeamError, error_reason
from mnist_trainer.process import warnings_as
from mnist_trainer.training.exchange import LostError, acquire_while_alive, clear_semaphores, make_semaphores
from mnist_trainer.training.interruption import SIGNALS

log = logging.getLogger(__name__)


class Members:
    """The others of a team of so many processes, by their numbers from 1: each does its part when it is told.

    `successor` is who does the part of one that is lost.
    """

    def __init__(self, processes: int, successor: str) -> None:
        self.numbers = range(1, processes)
        self._processes, self._successor = processes, successor
        self._first = os.getpid()
        self.pids: dict[int, int] = {}
        """Of those that live, by number."""
        self._to_do, self._done = make_semaphores(processes), make_semaphores(processes)

    def fork(self, part: Callable[[int], None], begin: Callable[[int], None]) -> None:
        """Fork all of them, of whom none may live; `part` does that of a number, and `begin` comes before the first."""
        clear_semaphores(self._to_do, self._done)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # in the others for good: the parent says when it is over
            for number in self.numbers:
                # Python 3.12 warns of other threads' locks: the library of the products mends its own after a fork,
                # and a member takes no others
                with (
                    warnings_as("ignore", DeprecationWarning),
                    granted_by_system("processes of their own", self._processes),
                ):
                    pid = os.fork()
                if pid == 0:
                    self._serve(number, part, begin)
                self.pids[number] = pid
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except BaseException:
            self.end()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise

    def end(self) -> None:
        """End them: they hold nothing that is theirs alone."""
        while self.pids:
            _, pid = self.pids.popitem()
            with contextlib.suppress(ProcessLookupError, ChildProcessError):  # where SIGCHLD is ignored
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    @property
    def all_live(self) -> bool:
        """Whether none is known to be lost."""
        return len(self.pids) == len(self.numbers)

    def tell(self) -> None:
        """Let them begin their parts."""
        for number in self.pids:
            self._to_do[number].release()

    def take_back(self, number: int) -> bool:
        """Whether one hasn't begun yet, and won't."""
        return self._to_do[number].acquire(False)

    def have_done(self, number: int, *, in_update: bool = False) -> bool:
        """Wait until one has done its part; False if it is lost. Raises `TeamError` then if an update is begun."""
        return acquire_while_alive(self._done[number], functools.partial(self.lives, number, in_update=in_update))

    def lives(self, number: int, *, in_update: bool = False) -> bool:
        """Whether one still runs; 0 is the first, for the others."""
        if number == 0:
            return os.getppid() == self._first
        if number not in self.pids:
            return False
        pid = self.pids[number]
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # where SIGCHLD is ignored, or somebody else has waited for it
            ended, how = pid, "ended"
        else:
            code = os.waitstatus_to_exitcode(status)
            how = f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        if not ended:
            return True
        del self.pids[number]
        what = f"process {pid}, one of {self._processes} that train together, {how}"
        if in_update:
            raise TeamError(f"{what}, in the midst of an update")
        log.warning(f"{what}; {self._successor} does its part from now on")
        return False

    def _serve(self, number: int, part: Callable[[int], None], begin: Callable[[int], None]) -> NoReturn:
        """Do in a forked process what is told, until the end or the first one's death."""
        code = 1
        try:
            gc.freeze()  # the parent's garbage is the parent's to finalize
            # The journal's lock and the shipper's pipe are to end with the parent
            os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
            begin(number)
            with np.errstate(all="ignore"):  # the parent looks at the loss
                while acquire_while_alive(self._to_do[number], functools.partial(self.lives, 0)):
                    part(number)
                    self._done[number].release()
            code = 0
        except LostError:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # none of the parent's clean-up


@contextlib.contextmanager
def granted_by_system(what: str, processes: int) -> Iterator[None]:
    """Let what the system refuses within be a `NoTeamError` that says for what."""
    try:
        yield
    except (OSError, MemoryError, ImportError) as error:  # the latter where a system has no semaphores at all
        raise NoTeamError(f"{processes} processes that train together need {what}: {error_reason(error)}") from error
