"""What a loss is asked for: its two derivatives, at predictions and targets, and at logits that saturate."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mnist_trainer.analysis.gradcheck.adapters import ForeignLoss
from mnist_trainer.analysis.gradcheck.diagnosis import explain_in_general
from mnist_trainer.analysis.gradcheck.differences import Measured
from mnist_trainer.analysis.gradcheck.examiner import CheckSettings, Examiner, coarseness
from mnist_trainer.analysis.gradcheck.findings import Check
from mnist_trainer.analysis.gradcheck.layers import checked_images
from mnist_trainer.analysis.gradcheck.loss_diagnosis import LossCase, explain_loss
from mnist_trainer.analysis.gradcheck.probes import draw_loss_inputs, smoothing_of_loss
from mnist_trainer.analysis.reference import dense_targets, reference_softmax, reference_softmax_backward
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss
from mnist_trainer.slips import checked_array, checked_number

T = TypeVar("T")

BY_INPUT = {"predictions": "backward", "targets": "targets_gradient"}


class LossExaminer(Examiner):
    """Examines a loss, and keeps the cases of its wrong derivatives, of which the most telling one is explained."""

    def __init__(self, loss: Loss, classes: int, settings: CheckSettings) -> None:
        super().__init__(f"loss {type(loss).__name__}", settings, loss, note="random numbers held fixed")
        self.loss, self.classes = loss, classes
        self.wrong: list[LossCase] = []
        self.coarse = 1.0
        self._refused = False
        has_both = type(loss).targets_gradient is not Loss.targets_gradient
        self.inputs = list(BY_INPUT) if has_both else ["predictions"]
        of_targets = "backward's dL/d targets" if isinstance(loss, ForeignLoss) else BY_INPUT["targets"]
        self.methods = {"predictions": "backward", "targets": of_targets}

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the loss, and learn how coarsely it is rounded."""
        value = self.held.call(lambda: self.loss.forward(predictions, targets))
        self.coarse = max(self.coarse, coarseness(value))
        return checked_number(value, f"{type(self.loss).__name__}.forward")

    def attempt(self, what: str, run: Callable[[], T], place: str = "") -> T | None:
        """Call as every examiner does; what can't run at one size, and at the next, is one fault."""
        before = len(self.found.faults)
        done = super().attempt(what, run, place)
        if done is None and self._refused:
            del self.found.faults[before:]
        self._refused = self._refused or done is None
        return done

    def gradient(self, of: str, like: Array, upstream: float = 1.0) -> Array:
        """Return a copy of the derivative with respect to predictions or targets, of the shape of `like`."""
        method = BY_INPUT[of]
        returned = getattr(self.loss, method)(upstream)
        return checked_array(returned, like.shape, f"{type(self.loss).__name__}.{method}").astype(np.float64)

    def draw(self, n: int) -> tuple[np.random.Generator, Array]:
        """Draw predictions of n images; the stream goes on with their targets."""
        rng = self.settings.stream()
        return rng, draw_loss_inputs(self.loss, n, self.classes, rng)

    def check(self, of: str, what: str, predictions: Array, targets: Array | Indices) -> None:
        """Check the derivative with respect to predictions, or to targets, which then are an array."""
        array = predictions
        if of == "targets":
            array = targets = np.array(targets, np.float64)

        def value() -> float:
            return self.forward(predictions, targets)

        def keep(measured: Measured) -> None:
            t = dense_targets(predictions, targets, smoothing_of_loss(self.loss))
            self.wrong.append(
                LossCase(self.node, of, self.methods[of], self.loss.expects, predictions.copy(), t, measured)
            )

        def run() -> tuple[float, Array]:
            return value(), self.gradient(of, predictions)

        done = self.attempt(what, run, f"{self.methods[of]}, {checked_images(len(predictions))}: ")
        if done is not None:
            first, analytic = done
            self.derivative(
                what, value, array, analytic, size_of(first), coarse=self.coarse, name=self.methods[of], explain=keep
            )

    def check_logits(self, what: str, logits: Array, labels: Indices, place: str) -> None:
        """Check backward as a function of logits; that of probabilities through a softmax, where p comes near 0."""
        through = self.loss.expects == "probabilities"

        def value() -> float:
            return self.forward(reference_softmax(logits) if through else logits, labels)

        def run() -> tuple[float, Array]:
            first, gradient = value(), self.gradient("predictions", logits)
            return first, reference_softmax_backward(reference_softmax(logits), gradient) if through else gradient

        def explain(measured: Measured) -> str:
            return f"{self.node}: backward, {place}, {explain_in_general(measured, len(logits), 'loss')}"

        done = self.attempt(what, run, f"{place}: ")
        if done is None:
            return
        first, analytic = done
        if not np.isfinite(first):
            self.found.note(Check(self.node, what, "not judged", where=f"{place}: the loss is {first}"))
            return
        name = f"backward, {place},"
        self.derivative(
            what, value, logits, analytic, size_of(first), coarse=self.coarse, name=name, notes=[place], explain=explain
        )

    def explain(self) -> None:
        """Say what is wrong in words, by the case that tells most."""
        for of in self.inputs:
            cases = [case for case in self.wrong if case.name == of]
            telling = [case for case in cases if len(case.predictions) not in (1, self.classes)] or cases
            if telling:  # the largest batch; with class indices, if they are wrong too
                self.found.blame(explain_loss(max(telling, key=lambda case: len(case.predictions))))


def size_of(loss: float) -> float:
    """Tell the size of the numbers that a loss adds up: one near 0 is a difference, or a log, of numbers near 1."""
    return max(abs(loss), 0.25)
