"""Training in lockstep: several loss modes from the same initial weights, on the same batches, update by update."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np

from mnist_trainer.analysis.comparison.copies import Copies, ModeDifference, gradient_distance, gradient_norm_of_copy
from mnist_trainer.errors import DivergedError, MistakeError
from mnist_trainer.training.records import EpochRecord, Update
from mnist_trainer.training.trainer import Trainer

R = TypeVar("R")


@dataclass(eq=False)
class Entrant(Generic[R]):
    """A mode in training: its run pauses after each update, and returns a result at its end; the lists are by update.

    A mode whose training diverges, or can't be done, drops out; `failure` says why.
    """

    name: str
    trainer: Trainer
    run: Generator[Update, None, R]
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    clamped_rows: list[int] = field(default_factory=list)
    epochs: list[EpochRecord] = field(default_factory=list)
    result: R | None = None
    failure: DivergedError | MistakeError | None = None
    running: bool = True

    def advance(self) -> Update | None:
        """Train to the pause after the next update; return None if there is none."""
        update = None
        try:
            update = next(self.run)
        except StopIteration as end:
            self.result, self.running = end.value, False
        except (DivergedError, MistakeError) as error:
            self.failure, self.running = error, False
        record = self.trainer.last
        if record is not None and (not self.epochs or record is not self.epochs[-1]):
            self.epochs.append(record)
        if update is not None:
            self.losses.append(update.loss)
            self.accuracies.append(update.correct / len(update.labels))
            self.clamped_rows.append(self.trainer.loss.clamped_rows)
        return update


@dataclass
class ModeDifferences:
    """A mode against the first one, update by update."""

    measured: list[ModeDifference] = field(default_factory=list)
    """At the first one's parameters, before the update."""
    shadow: dict[int, ModeDifference] = field(default_factory=dict)
    """The same in float64, at some of the updates, which count from 1."""
    drift: list[float] = field(default_factory=list)
    """‖θ − θ_first‖ / ‖θ_first‖ after the update."""


class Lockstep(Generic[R]):
    """Advances the entrants in turn and measures between the updates; within `with`, what breaks it off ends the runs.

    The first entrant is what the others are measured against; if it drops out, measuring ends, and the others go on.
    `shadow` are copies in float64 that are asked at every `shadow_every`-th update, beginning with the first one.
    """

    def __init__(
        self, entrants: Sequence[Entrant[R]], copies: Copies, shadow: Copies | None = None, *, shadow_every: int = 1
    ) -> None:
        self.entrants = list(entrants)
        self.first, *others = self.entrants
        self.differences = {entrant.name: ModeDifferences() for entrant in others}
        self.step = 0
        self._copies, self._shadow, self.shadow_every = copies, shadow, shadow_every
        self._scratch = np.empty_like(self._parameters(self.first))
        for entrant in self.entrants:
            copies.take(self._parameters(entrant))  # fits them
            if self._parameters(entrant).tobytes() != self._parameters(self.first).tobytes():
                raise RuntimeError(f"{entrant.name} does not begin with the weights of {self.first.name}")

    def __enter__(self) -> "Lockstep[R]":
        """Watch over the runs."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the runs that are in a pause end with what broke off the block."""
        for entrant in self.entrants:
            if error is not None and entrant.running:
                with suppress(BaseException):  # what is told is the error that came first
                    entrant.run.throw(error)

    def rounds(self) -> Iterator[int]:
        """Train to the end of all runs; yield the number of updates done after each, and once more at the end."""
        while any(entrant.running for entrant in self.entrants):
            running = [entrant for entrant in self.entrants if entrant.running]
            advanced = {entrant.name: entrant.advance() for entrant in running}
            updates = {name: update for name, update in advanced.items() if update is not None}
            self.step += bool(updates)
            self._check_batches(updates)
            if self.first.name in updates:
                self._measure(updates)
            yield self.step

    def _check_batches(self, updates: Mapping[str, Update]) -> None:
        """Raise `RuntimeError` unless all got the same images and labels: some µs of each update."""
        names = list(updates)
        for name in names[1:]:
            one, other = updates[names[0]], updates[name]
            if not (np.array_equal(one.labels, other.labels) and np.array_equal(one.x, other.x)):
                raise RuntimeError(f"{name} got another batch than {names[0]} at update {self.step}")

    def _measure(self, updates: Mapping[str, Update]) -> None:
        names = list(updates)
        x, labels, *_ = updates[names[0]]
        if self._shadow is not None and (self.step - 1) % self.shadow_every == 0:
            self._shadow.take(self._copies.parameters)
            for name, found in self._shadow.differences(names, x, labels).items():
                self.differences[name].shadow[self.step] = found
        for name, found in self._copies.differences(names, x, labels).items():
            self.differences[name].measured.append(found)
        parameters = self._parameters(self.first)
        size = gradient_norm_of_copy(parameters)
        for entrant in self.entrants[1:]:
            if entrant.name in updates:
                apart = gradient_distance(self._parameters(entrant), parameters, self._scratch)
                self.differences[entrant.name].drift.append(apart / size)
        self._copies.take(parameters)

    @staticmethod
    def _parameters(entrant: Entrant[R]) -> "np.ndarray[tuple[int, ...], np.dtype[np.floating]]":
        return entrant.trainer.model.parameters.values
