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

Layers that add up over the batch do so in the midst of their work (`exchange`). Then all have to be at work at the same
time, and if one is killed, none of the others can go on: all are forked anew, and begin the batch again.
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
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np

from mnist_trainer.errors import NoTeamError, TeamError, error_reason
from mnist_trainer.kernels import elementwise, updates
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.layers.layer import WHOLE, Part
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential, shared_zeros
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.process import warnings_as
from mnist_trainer.training.exchange import (
    Exchange,
    LostError,
    acquire_while_alive,
    clear_semaphores,
    make_semaphores,
)
from mnist_trainer.training.interruption import SIGNALS
from mnist_trainer.training.sections import LINE, even_slices, give_section_back, section_optimizer
from mnist_trainer.training.worker import LoneWorker, Measures

log = logging.getLogger(__name__)

GRADIENTS, SUM, STEP = range(3)
TRIES = 2  # at a batch at which one is lost


def can_share(model: Sequential, loss: Loss, optimizer: Optimizer) -> bool:
    """Tell whether a team can train this, with the results of one process up to rounding, on this system.

    On Linux alone: macOS has `fork`, too, but its libraries, that of the matrix products among them, break after one.
    """
    partible = loss.samplewise and all(step.samplewise or step.adds_up for step in model.steps)
    return loss.exact and partible and optimizer.elementwise and sys.platform == "linux"


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
        self._parent = os.getpid()
        self._adds_up = any(step.adds_up for step in model.steps)
        self._state = list(model.stack.state().values())
        with granted_by_system("shared memory", processes):
            self._share(parameters.size, capacity, processes)
        with granted_by_system("semaphores, which lie in /dev/shm", processes):
            self._to_do, self._done = make_semaphores(processes), make_semaphores(processes)
            self._exchange = Exchange(processes, model.dtype, self._may_come)

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
        self._fork()
        return self

    def _fork(self) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
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
                    self._serve(number)
                self._pids[number] = pid
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except BaseException:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the others go."""
        self._end()
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
        if not self._adds_up:
            self._do(GRADIENTS, n)
        elif not self._do_at_once(n):
            self._alone.gradients(x, labels)  # whoever made a layer that can't do this batch is told
            raise TeamError(
                f"one of {len(self._sections)} processes that train together ends whenever it does its part"
            )
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
        self._draw_again(drawn)
        self._part(number)

    def _draw_again(self, drawn: list[Any]) -> None:
        for generator, state in zip(self._model.generators.values(), drawn, strict=False):
            generator.bit_generator.state = state

    def _do_at_once(self, rows: int) -> bool:
        """Have all parts' gradients computed at the same time; if one is lost, again by others. Tell whether so."""
        drawn = [each.bit_generator.state for each in self._model.generators.values()]
        state = [array.copy() for array in self._state]
        for _ in range(TRIES):
            if len(self._pids) < len(self._sections) - 1:
                self._end()
                clear_semaphores(self._to_do, self._done)
                self._exchange.clear()
                self._fork()
            with contextlib.suppress(LostError):
                self._try_at_once(rows)
                return True
            self._draw_again(drawn)
            for array, before in zip(self._state, state, strict=True):
                np.copyto(array, before)
        return False

    def _try_at_once(self, rows: int) -> None:
        self._order[:] = GRADIENTS, rows, 0, 0
        for number in self._pids:
            self._to_do[number].release()
        self._part(0)
        for number in range(1, len(self._sections)):
            if not acquire_while_alive(self._done[number], functools.partial(self._may_come, number)):
                raise LostError

    def _may_come(self, number: int) -> bool:
        """Whether another process still runs."""
        return self._lives(number) if number else os.getppid() == self._parent

    def _serve(self, number: int) -> NoReturn:
        """Do in a forked process what is told, until the end or the parent's death."""
        code = 1
        try:
            gc.freeze()  # the parent's garbage is the parent's to finalize
            # The journal's lock and the shipper's pipe are to end with the parent
            os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
            with np.errstate(all="ignore"):  # the parent looks at the loss
                while acquire_while_alive(self._to_do[number], functools.partial(self._may_come, 0)):
                    self._part(number)
                    self._done[number].release()
            code = 0
        except LostError:
            pass
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
        share = (rows.stop - rows.start) / n
        if share == 0:
            self._follow_the_others(number, n)
            return
        x = self._own if number == 0 else self._x[rows]
        with self._part_taken(Part(rows.start, n, functools.partial(self._exchange.add_up, number))):
            loss, correct, clamped = self._alone.gradients(x, self._labels[rows], share)
        elementwise.copy(self._model.parameters.gradients, out=self._gradients[number])
        self._results[number, :3] = loss * share, correct, clamped

    def _follow_the_others(self, number: int, n: int) -> None:
        """Draw what others draw and add up with them, where the batch has no row for one: by any, that counts for 0."""

        def add_nothing(sums: Array) -> Array:
            sums.fill(0)
            return self._exchange.add_up(number, sums)

        if self._model.generators or self._adds_up:
            with self._part_taken(Part(0, n, add_nothing)):
                self._alone.gradients(self._x[:1], self._labels[:1], 0.0)
        self._gradients[number].fill(0)
        self._results[number, :3] = 0

    @contextlib.contextmanager
    def _part_taken(self, part: Part) -> Iterator[None]:
        self._model.take_part(part)
        try:
            yield
        finally:
            self._model.take_part(WHOLE)

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
        log.warning(f"{what}; {'another' if self._adds_up else 'this one'} does its part from now on")
        return False


@contextlib.contextmanager
def granted_by_system(what: str, processes: int) -> Iterator[None]:
    """Let what the system refuses within be a `NoTeamError` that says for what."""
    try:
        yield
    except (OSError, MemoryError, ImportError) as error:  # the latter where a system has no semaphores at all
        raise NoTeamError(f"{processes} processes that train together need {what}: {error_reason(error)}") from error
