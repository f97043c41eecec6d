"""A loss under check: its backward and its targets_gradient against differences, a row each."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mnist_trainer.analysis.gradcheck.derivative import Held, Settings, attempt, cannot_run, derivative
from mnist_trainer.analysis.gradcheck.diagnosis import LossCase, in_general, softmax
from mnist_trainer.analysis.gradcheck.draws import smoothed
from mnist_trainer.analysis.gradcheck.layers import Found
from mnist_trainer.analysis.gradcheck.report import Check
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss


@dataclass
class LossFound(Found):
    """A loss's rows and faults, and the cases of its wrong derivatives."""

    wrong: list[LossCase] = field(default_factory=list)


class Subject:
    """A loss, whose random numbers every call of `forward` finds in the same state, and what is found of it."""

    def __init__(self, loss: Loss, settings: Settings) -> None:
        self.loss, self.settings, self.found = loss, settings, LossFound()
        self.node = f"loss {type(loss).__name__}"
        self.has_targets_gradient = type(loss).targets_gradient is not Loss.targets_gradient
        self.held = Held(loss)

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the loss."""
        return self.held.call(lambda: self.loss.forward(predictions, targets))

    def of_predictions(self, what: str, predictions: Array, targets: Array | Indices) -> Check:
        """Check backward."""

        def run() -> tuple[float, Array]:
            return self.forward(predictions, targets), np.array(self.loss.backward(), np.float64)

        done = attempt(run)
        if isinstance(done, str):
            self.found.faults.append(f"{self.node}: {done}")
            return cannot_run(self.node, what, done)
        value, analytic = done
        check, measured = derivative(
            self.node,
            what,
            lambda: self.forward(predictions, targets),
            predictions,
            analytic,
            size_of(value),
            self.settings,
            notes=self.notes,
        )
        if check.verdict == "wrong" and measured is None:
            self.found.faults.append(f"{self.node}: backward {check.where}")
        elif check.verdict == "wrong" and measured is not None:
            dense = smoothed(self.loss, targets, predictions.shape[1])
            expects = self.loss.expects
            self.found.wrong.append(LossCase(self.node, "predictions", expects, predictions.copy(), dense, measured))
        return check

    def of_targets(self, what: str, predictions: Array, targets: Array | Indices) -> Check:
        """Check targets_gradient."""
        array = np.array(targets, np.float64)

        def run() -> tuple[float, Array]:
            return self.forward(predictions, array), np.array(self.loss.targets_gradient(), np.float64)

        done = attempt(run)
        if isinstance(done, str):
            self.found.faults.append(f"{self.node}: targets_gradient: {done}")
            return cannot_run(self.node, what, done)
        value, analytic = done
        check, measured = derivative(
            self.node,
            what,
            lambda: self.forward(predictions, array),
            array,
            analytic,
            size_of(value),
            self.settings,
            notes=self.notes,
        )
        if check.verdict == "wrong" and measured is None:
            self.found.faults.append(f"{self.node}: targets_gradient {check.where}")
        elif check.verdict == "wrong" and measured is not None:
            case = LossCase(self.node, "targets", self.loss.expects, predictions.copy(), array.copy(), measured)
            self.found.wrong.append(case)
        return check

    def of_logits(self, what: str, logits: Array, targets: Array | Indices, place: str) -> Check:
        """Check backward as a function of logits; that of probabilities through a softmax, where p comes near 0."""
        through = self.loss.expects == "probabilities"

        def value() -> float:
            return self.forward(softmax(logits) if through else logits, targets)

        def run() -> tuple[float, Array]:
            first, gradient, p = value(), np.array(self.loss.backward(), np.float64), softmax(logits)
            if through and gradient.shape == p.shape:
                gradient = p * (gradient - (gradient * p).sum(axis=1, keepdims=True))
            return first, gradient

        done = attempt(run)
        if isinstance(done, str):
            self.found.faults.append(f"{self.node}: {place}: {done}")
            return cannot_run(self.node, what, done)
        first, analytic = done
        if not np.isfinite(first):
            return Check(self.node, what, "not judged", where=f"{place}: the loss is {first}")
        notes = [place, *self.notes]
        check, measured = derivative(
            self.node, what, value, logits, analytic, size_of(first), self.settings, notes=notes
        )
        if check.verdict == "wrong":
            words = check.where if measured is None else in_general(measured, len(logits), "loss")
            self.found.faults.append(f"{self.node}: backward, {place}, {words}")
        return check

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of a row has to know."""
        return ["random numbers held fixed"] if self.held.used else []


def size_of(loss: float) -> float:
    """Tell the size of the numbers that a loss adds up: one near 0 is a difference, or a log, of numbers near 1."""
    return max(abs(loss), 0.25)
