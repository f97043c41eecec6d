"""Several processes that share every update: a part of the batch each, then a section of the parameters each.

Processes, since Python runs one thread at a time between NumPy's calls: a step of `cnn` on two cores is 1.4 times as
quick with two threads as with one, of `lenet5` not quicker at all, and 1.8 times with two processes either way.

The others are forked from the process that trains, so that they have the model and the loss as they are. All that
passes between them lies in shared memory: the parameters, the batch, the sections' optimizers, and the gradients, which
each process's layers write to where all can read them (`kernels.shared`). An update has three phases, with all at rest
between them:

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
import math
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from mnist_trainer.errors import TeamError
from mnist_trainer.kernels import elementwise, updates
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.kernels.shared import shared_zeros
from mnist_trainer.layers.layer import WHOLE, Part
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential
from mnist_trainer.optimizers.optimizer import Optimizer
from mnist_trainer.training.exchange import Exchange, LostError
from mnist_trainer.training.members import Members, granted_by_system
from mnist_trainer.training.sections import LINE, even_slices, give_section_back, section_optimizer
from mnist_trainer.training.worker import LoneWorker, Measures

GRADIENTS, SUM, STEP = range(3)
TRIES = 5  # at a batch at which one is lost


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
    those of a part of the batch, or what an update has left of them.
    """

    def __init__(self, model: Sequential, loss: Loss, optimizer: Optimizer, processes: int) -> None:
        self._alone = LoneWorker(model, loss, optimizer)
        self._model, self._optimizer = model, optimizer
        parameters, capacity = model.parameters, model.max_batch
        self._sections = even_slices(parameters.size, processes, grain=LINE)
        self._adds_up = any(step.adds_up for step in model.steps)
        self._state = list(model.stack.state().values())
        with granted_by_system("shared memory", processes):
            self._share(parameters.size, capacity, processes)
        with granted_by_system("semaphores, which lie in /dev/shm", processes):
            self._members = Members(processes, "another" if self._adds_up else "this one")
            self._exchange = Exchange(processes, model.dtype, self._members.lives)

    def _share(self, size: int, capacity: int, processes: int) -> None:
        """Make the memory that all see."""
        model, optimizer = self._model, self._optimizer
        self.optimizers = [section_optimizer(optimizer, model, section) for section in self._sections]
        """Of the sections of the parameters: they have the state while the team is at work."""
        self._x = shared_zeros(capacity * math.prod(model.in_shape), model.dtype).reshape(capacity, *model.in_shape)
        self._own: Array = self._x[:0]  # the rows of this process's part, which need not be copied
        self._labels: Indices = shared_zeros(capacity, np.intp)  # type: ignore[assignment]
        self._gradients = [shared_zeros(size, model.dtype) for _ in range(processes)]  # a place for each process's
        self._place_of: Indices = shared_zeros(processes, np.intp)  # type: ignore[assignment]  # where each part's are
        self._place = 0
        self._order = shared_zeros(4, np.float64)  # what to do, with how many rows, learning rate, scale
        self._results = shared_zeros(4 * processes, np.float64).reshape(processes, 4)

    def __enter__(self) -> Self:
        """Fork the others."""
        try:
            self._fork()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the others go."""
        self._members.end()
        self.collect()
        self._give_back()

    def gradients(self, x: Array, labels: Indices) -> Measures:
        """Compute the gradients of the parts of a batch's mean loss."""
        n = len(labels)
        others = even_slices(n, len(self._sections))[0].stop
        elementwise.copy(x[others:], out=self._x[others:n])
        np.copyto(self._labels[:n], labels)
        self._own = x[:others]
        self._write_at(0)  # again, if another team of this model's has had them elsewhere
        self._place_of[:] = range(len(self._sections))
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
        for section, optimizer in zip(self._sections, self.optimizers, strict=True):
            give_section_back(optimizer, self._optimizer, self._model, section)

    def _fork(self) -> None:
        for place in reversed(range(len(self._sections))):  # what the system refuses the others it refuses here
            self._write_at(place)
        self._members.fork(self._part, begin=self._write_at)

    def _write_at(self, place: int) -> None:
        """Let the model's gradients, in this process, be what all see at a place, so that nobody need copy them."""
        with granted_by_system("shared memory", len(self._sections)):
            self._model.parameters.show_gradients(self._gradients[place])
        self._place = place

    def _give_back(self) -> None:
        """Let the model's gradients be this process's own again: others may be forked from it later."""
        with contextlib.suppress(OSError, MemoryError):  # what was learned lies elsewhere
            self._model.parameters.hide_gradients()

    def _do(self, order: int, rows: int = 0, rate: float = 0.0, scale: float = 1.0) -> None:
        """Have all parts of an order done, this process's own and those that nobody else has begun."""
        self._order[:] = order, rows, rate, scale
        generators = self._model.generators.values() if order == GRADIENTS else ()
        drawn = [each.bit_generator.state for each in generators]
        self._members.tell()
        self._part(0)
        busy: list[int] = []
        for number in self._members.numbers:
            if number in self._members.pids and (drawn or not self._members.take_back(number)):
                busy.append(number)
            else:
                self._members.lives(number)
                self._instead(number, drawn)
        for number in busy:
            if not self._members.have_done(number, in_update=order != GRADIENTS):
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
            if not self._members.all_live:
                self._members.end()
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
        self._members.tell()
        self._part(0)
        if not all(map(self._members.have_done, self._members.numbers)):
            raise LostError

    def _part(self, number: int) -> None:
        """Do what is told, in whichever process."""
        order, rows, rate, scale = self._order.tolist()
        if order == GRADIENTS:
            self._gradients_of(number, int(rows))
        elif order == SUM:
            self._sum(number)
        elif order == STEP:
            self._step(number, rate, scale)

    def _gradients_of(self, number: int, n: int) -> None:
        if number != self._place:
            self._make_way(number)
        rows = even_slices(n, len(self._sections))[number]
        share = (rows.stop - rows.start) / n
        if share == 0:
            self._follow_the_others(number, n)
            return
        x = self._own if number == 0 else self._x[rows]
        with self._part_taken(Part(rows.start, n, functools.partial(self._exchange.add_up, number))):
            loss, correct, clamped = self._alone.gradients(x, self._labels[rows], share)
        self._results[number, :3] = loss * share, correct, clamped

    def _make_way(self, number: int) -> None:
        """Move what this process has computed to the place of one that computes nothing, whose part it does next."""
        elementwise.copy(self._gradients[self._place], out=self._gradients[number])
        self._place_of[self._place_of == self._place] = number
        self._place_of[number] = self._place

    def _follow_the_others(self, number: int, n: int) -> None:
        """Draw what others draw and add up with them, where the batch has no row for one: by any, that counts for 0."""

        def add_nothing(sums: Array) -> Array:
            sums.fill(0)
            return self._exchange.add_up(number, sums)

        if self._model.generators or self._adds_up:
            with self._part_taken(Part(0, n, add_nothing)):
                self._alone.gradients(self._x[:1], self._labels[:1], 0.0)
        self._gradients[self._place_of[number]].fill(0)
        self._results[number, :3] = 0

    @contextlib.contextmanager
    def _part_taken(self, part: Part) -> Iterator[None]:
        self._model.take_part(part)
        try:
            yield
        finally:
            self._model.take_part(WHOLE)

    def _sum(self, number: int) -> None:
        total, *others = [self._gradients[place][self._sections[number]] for place in self._place_of]
        for other in others:
            elementwise.add(total, other, out=total)
        self._results[number, 3] = updates.vector_norm(total)

    def _step(self, number: int, rate: float, scale: float) -> None:
        section = self._sections[number]
        gradients = self._gradients[self._place_of[0]][section]
        if scale != 1:
            gradients *= scale
        if len(gradients):
            self.optimizers[number].step(self._model.parameters.values[section], gradients, rate)
