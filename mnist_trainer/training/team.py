"""Several processes that share every update: a part of the batch each, then a section of the parameters each.

Processes, since Python runs one thread at a time between NumPy's calls: a step of `cnn` on two cores is 1.4 times as
quick with two threads as with one, of `lenet5` not quicker at all, and 1.8 times with two processes either way.

The others are forked from the process that trains, so that they have the model and the loss as they are. All that
passes between them lies in shared memory: the parameters, the batch, each part's gradients, the sections' optimizers.
An update has three phases, with all at rest between them:

1. gradients: of each part of the batch, weighted by how many rows it has;
2. sum: each section adds up the parts' gradients, always in the same order, so that the bits are the same from run to
   run, and takes their norm;
3. step: each section's own optimizer updates it.

Whoever is free does what is to be done: a part that its process hasn't begun, for want of a core, the first process
does itself. So a busy machine costs what a single process would have cost, and a little. Only where layers draw at
random each has to do its own, since all draw alike. And if one is killed, by a system that is out of memory, say, the
first does its part from then on, with the same bits; but what it leaves half summed, or half updated, nobody can mend.
"""

import contextlib
import functools
import gc
import logging
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from mnist_trainer.errors import NoTeamError, TeamError, error_reason
from mnist_trainer.kernels import elementwise, updates
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential, shared_zeros
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.process import warnings_as
from mnist_trainer.training.interruption import SIGNALS
from mnist_trainer.training.sections import LINE, even_slices, give_section_back, section_optimizer
from mnist_trainer.training.worker import LoneWorker, Measures

if TYPE_CHECKING:
    from multiprocessing.synchronize import Semaphore

log = logging.getLogger(__name__)

GRADIENTS, SUM, STEP = range(3)
SPIN_SECONDS = 0.0002  # how long one looks for its turn before it sleeps: waking up takes 0.05 ms
WATCH_SECONDS = 0.1  # how often a sleeping one looks whether the others live


def can_share(model: Sequential, loss: Loss, optimizer: Optimizer) -> bool:
    """Tell whether a team can train this, with the results of one process up to rounding, on this system.

    On Linux alone: macOS has `fork`, too, but its libraries, that of the matrix products among them, break after one.
    """
    samplewise = loss.samplewise and all(step.samplewise for step in model.steps)
    return loss.exact and samplewise and optimizer.elementwise and sys.platform == "linux"


class Team:
    """`processes` processes, this one among them, from `__enter__` to `__exit__`.

    Raises `NoTeamError`, here or on entering, where the system doesn't grant what they need, and `TeamError` when one
    of them ends in the midst of a sum or a step. While the team is at work, the model's gradients in this process are
    those of a part of the batch.
    """

    def __init__(self, model: Sequential, loss: Loss, optimizer: Optimizer, processes: int) -> None:
        self._alone = LoneWorker(model, loss, optimizer)
        self._model, self._optimizer = model, optimizer
        parameters, capacity = model.parameters, model.max_batch
        self._sections = even_slices(parameters.size, processes, grain=LINE)
        self._pids: dict[int, int] = {}  # of those that live, by number
        with granted_by_system("shared memory", processes):
            self._share(parameters.size, capacity, processes)
        with granted_by_system("semaphores, which lie in /dev/shm", processes):
            context = get_context("fork")
            self._to_do, self._done = ([context.Semaphore(0) for _ in range(processes)] for _ in range(2))

    def _share(self, size: int, capacity: int, processes: int) -> None:
        """Make the memory that all see."""
        model, optimizer = self._model, self._optimizer
        self._optimizers = [section_optimizer(optimizer, model, section) for section in self._sections]
        self._x = shared_zeros(capacity * math.prod(model.in_shape), model.dtype).reshape(capacity, *model.in_shape)
        self._own: Array = self._x[:0]  # the rows of this process's part, which need not be copied
        self._labels: Indices = shared_zeros(capacity, np.intp)  # type: ignore[assignment]
        self._gradients = shared_zeros(processes * size, model.dtype).reshape(processes, -1)
        self._order = shared_zeros(4, np.float64)  # what to do, with how many rows, learning rate, scale
        self._results = shared_zeros(4 * processes, np.float64).reshape(processes, 4)

    def __enter__(self) -> Self:
        """Fork the others."""
        parent, mask = os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # in the others for good: the parent says when it is over
            for number in range(1, len(self._sections)):
                # Python 3.12 warns of other threads' locks: the library of the products mends its own after a fork,
                # and a member takes no others
                with (
                    warnings_as("ignore", DeprecationWarning),
                    granted_by_system("processes of their own", len(self._sections)),
                ):
                    pid = os.fork()
                if pid == 0:
                    self._serve(number, parent)
                self._pids[number] = pid
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except BaseException:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the others go."""
        self._end()
        self._model.take_part(0, 0)
        self.collect()

    def _end(self) -> None:
        """End the others: they hold nothing that is theirs alone."""
        while self._pids:
            _, pid = self._pids.popitem()
            with contextlib.suppress(ProcessLookupError, ChildProcessError):  # where SIGCHLD is ignored
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def gradients(self, x: Array, labels: Indices) -> Measures:
        """Compute the gradients of the parts of a batch's mean loss."""
        n = len(labels)
        others = even_slices(n, len(self._sections))[0].stop
        elementwise.copy(x[others:], out=self._x[others:n])
        np.copyto(self._labels[:n], labels)
        self._own = x[:others]
        self._do(GRADIENTS, n)
        loss, correct, clamped, _ = map(float, self._results.sum(axis=0))
        self._alone.loss.clamped_rows = int(clamped)
        return Measures(loss, int(correct), int(clamped))

    def norm(self) -> float:
        """Add up the gradients, and return their Euclidean norm."""
        self._do(SUM)
        return math.hypot(*map(float, self._results[:, 3]))

    def step(self, rate: float, scale: float = 1.0) -> None:
        """Update the parameters by gradients that `norm` has added up."""
        self._do(STEP, rate=rate, scale=scale)

    def collect(self) -> None:
        """Bring the state of the sections' optimizers together in the model's."""
        for section, optimizer in zip(self._sections, self._optimizers, strict=True):
            give_section_back(optimizer, self._optimizer, self._model, section)

    def _do(self, order: int, rows: int = 0, rate: float = 0.0, scale: float = 1.0) -> None:
        """Have all parts of an order done, this process's own and those that nobody else has begun."""
        self._order[:] = order, rows, rate, scale
        generators = self._model.generators.values() if order == GRADIENTS else ()
        drawn = [each.bit_generator.state for each in generators]
        for number in self._pids:
            self._to_do[number].release()
        self._part(0)
        busy: list[int] = []
        for number in range(1, len(self._sections)):
            if number in self._pids and (drawn or not self._to_do[number].acquire(False)):
                busy.append(number)
            else:
                self._lives(number)
                self._instead(number, drawn)
        for number in busy:
            if not acquire_while_alive(self._done[number], functools.partial(self._lives, number, begun=order)):
                self._instead(number, drawn)

    def _instead(self, number: int, drawn: list[Any]) -> None:
        """Do another's part: what was drawn at random for this process's own is drawn again."""
        for generator, state in zip(self._model.generators.values(), drawn, strict=False):
            generator.bit_generator.state = state
        self._part(number)

    def _serve(self, number: int, parent: int) -> NoReturn:
        """Do in a forked process what is told, until the end or the parent's death."""
        code = 1
        try:
            gc.freeze()  # the parent's garbage is the parent's to finalize
            # The journal's lock and the shipper's pipe are to end with the parent
            os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
            with np.errstate(all="ignore"):  # the parent looks at the loss
                while acquire_while_alive(self._to_do[number], lambda: os.getppid() == parent):
                    self._part(number)
                    self._done[number].release()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # none of the parent's clean-up

    def _part(self, number: int) -> None:
        order, rows, rate, scale = self._order.tolist()
        if order == GRADIENTS:
            self._gradients_of(number, int(rows))
        elif order == SUM:
            self._sum(number)
        elif order == STEP:
            self._step(number, rate, scale)

    def _gradients_of(self, number: int, n: int) -> None:
        rows = even_slices(n, len(self._sections))[number]
        if rows.start == rows.stop:
            if self._model.generators:  # all draw alike
                self._model.take_part(0, n)
                self._model.forward(self._x[:1], training=True)
            self._gradients[number].fill(0)
            self._results[number, :3] = 0
            return
        self._model.take_part(rows.start, n)
        share = (rows.stop - rows.start) / n
        x = self._own if number == 0 else self._x[rows]
        loss, correct, clamped = self._alone.gradients(x, self._labels[rows], share)
        elementwise.copy(self._model.parameters.gradients, out=self._gradients[number])
        self._results[number, :3] = loss * share, correct, clamped

    def _sum(self, number: int) -> None:
        total, *others = self._gradients[:, self._sections[number]]
        for other in others:
            elementwise.add(total, other, out=total)
        self._results[number, 3] = updates.vector_norm(total)

    def _step(self, number: int, rate: float, scale: float) -> None:
        section = self._sections[number]
        gradients = self._gradients[0, section]
        if scale != 1:
            gradients *= scale
        if len(gradients):
            self._optimizers[number].step(self._model.parameters.values[section], gradients, rate)

    def _lives(self, number: int, *, begun: int | None = None) -> bool:
        """Whether a process still runs; raises `TeamError` if it ended in the midst of what can't be begun again."""
        if number not in self._pids:
            return False
        pid = self._pids[number]
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # where SIGCHLD is ignored, or somebody else has waited for it
            ended, how = pid, "ended"
        else:
            code = os.waitstatus_to_exitcode(status)
            how = f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        if not ended:
            return True
        del self._pids[number]
        what = f"process {pid}, one of {len(self._sections)} that train together, {how}"
        if begun in (SUM, STEP):
            raise TeamError(f"{what}, in the midst of an update")
        log.warning(f"{what}; this one does its part from now on")
        return False


@contextlib.contextmanager
def granted_by_system(what: str, processes: int) -> Iterator[None]:
    """Let what the system refuses within be a `NoTeamError` that says for what."""
    try:
        yield
    except (OSError, MemoryError, ImportError) as error:  # the latter where a system has no semaphores at all
        raise NoTeamError(f"{processes} processes that train together need {what}: {error_reason(error)}") from error


def acquire_while_alive(semaphore: "Semaphore", alive: Callable[[], bool]) -> bool:
    """Wait for one's turn, without sleeping at first; False if whom one waits for is no longer alive."""
    until = perf_counter() + SPIN_SECONDS
    while perf_counter() < until:
        if semaphore.acquire(False):
            return True
    while not semaphore.acquire(timeout=WATCH_SECONDS):
        if not alive():
            return semaphore.acquire(False)
    return True
