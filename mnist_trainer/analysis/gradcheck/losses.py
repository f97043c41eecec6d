"""A loss alone against differences: backward, and targets_gradient if it has one, for batches of several sizes."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import LossCase, explain_loss, in_general
from mnist_trainer.analysis.gradcheck.differences import RELATIVE, Measured
from mnist_trainer.analysis.gradcheck.examiner import Examiner, Settings, attempt
from mnist_trainer.analysis.gradcheck.findings import Check
from mnist_trainer.analysis.gradcheck.layers import images
from mnist_trainer.analysis.gradcheck.probes import draw_predictions, draw_soft, draw_unequal, label_smoothing
from mnist_trainer.analysis.reference import dense, softmax, softmax_backward
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss

ODD = 7
MOST = 1024  # images: more show nothing else
UPSTREAM = -2.5
"""What backward is asked for beside 1: a gradient that leaves u out is right for 1 alone."""
SPREADS = (10, 30)  # standard deviations of logits that saturate
REFUSALS = ("ConfigError", "DataError", "ValueError")
BY_INPUT = {"predictions": "backward", "targets": "targets_gradient"}


def sizes(classes: int, batch_size: int) -> list[int]:
    """List the batches that mistakes show at: one image, an odd number, the number of classes, and what is trained."""
    return sorted({1, ODD, classes, min(batch_size, MOST)})


def size_of(loss: float) -> float:
    """Tell the size of the numbers that a loss adds up: one near 0 is a difference, or a log, of numbers near 1."""
    return max(abs(loss), 0.25)


class LossExaminer(Examiner):
    """Examines a loss, and keeps the cases of its wrong derivatives, of which the most telling one is explained."""

    def __init__(self, loss: Loss, classes: int, settings: Settings) -> None:
        super().__init__(f"loss {type(loss).__name__}", settings, loss, note="random numbers held fixed")
        self.loss, self.classes = loss, classes
        self.wrong: list[LossCase] = []
        has_both = type(loss).targets_gradient is not Loss.targets_gradient
        self.inputs = list(BY_INPUT) if has_both else ["predictions"]

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the loss."""
        return self.held.call(lambda: self.loss.forward(predictions, targets))

    def draw(self, n: int) -> tuple[np.random.Generator, Array]:
        """Draw predictions of n images; the stream goes on with their targets."""
        rng = self.settings.stream()
        return rng, draw_predictions(self.loss, n, self.classes, rng)

    def check(self, of: str, what: str, predictions: Array, targets: Array | Indices) -> None:
        """Check the derivative with respect to predictions, or to targets, which then are an array."""
        array, place = predictions, ""
        if of == "targets":
            array = targets = np.array(targets, np.float64)
            place = "targets_gradient: "

        def value() -> float:
            return self.forward(predictions, targets)

        def keep(measured: Measured) -> None:
            t = dense(predictions, targets, label_smoothing(self.loss))
            self.wrong.append(LossCase(self.node, of, self.loss.expects, predictions.copy(), t, measured))

        def run() -> tuple[float, Array]:
            return value(), np.array(getattr(self.loss, BY_INPUT[of])(), np.float64)

        done = self.attempt(what, run, place)
        if done is not None:
            first, analytic = done
            self.derivative(what, value, array, analytic, size_of(first), name=BY_INPUT[of], explain=keep)

    def check_logits(self, what: str, logits: Array, labels: Indices, place: str) -> None:
        """Check backward as a function of logits; that of probabilities through a softmax, where p comes near 0."""
        through = self.loss.expects == "probabilities"

        def value() -> float:
            return self.forward(softmax(logits) if through else logits, labels)

        def run() -> tuple[float, Array]:
            first, gradient = value(), np.array(self.loss.backward(), np.float64)
            chained = through and gradient.shape == logits.shape
            return first, softmax_backward(softmax(logits), gradient) if chained else gradient

        def explain(measured: Measured) -> str:
            return f"{self.node}: backward, {place}, {in_general(measured, len(logits), 'loss')}"

        done = self.attempt(what, run, f"{place}: ")
        if done is None:
            return
        first, analytic = done
        if not np.isfinite(first):
            self.found.note(Check(self.node, what, "not judged", where=f"{place}: the loss is {first}"))
            return
        name = f"backward, {place},"
        self.derivative(what, value, logits, analytic, size_of(first), name=name, notes=[place], explain=explain)

    def explain(self) -> None:
        """Say what is wrong in words, by the case that tells most."""
        for of in self.inputs:
            cases = [case for case in self.wrong if case.name == of]
            telling = [case for case in cases if len(case.predictions) not in (1, self.classes)] or cases
            if telling:  # the largest batch; with class indices, if they are wrong too
                self.found.blame(explain_loss(max(telling, key=lambda case: len(case.predictions))))


def check_loss(loss: Loss, classes: int, batches: Sequence[int], settings: Settings) -> LossExaminer:
    """Check backward with class indices and soft targets, targets_gradient with soft ones, and that u is in both.

    What is right there is checked with soft targets whose rows don't sum to 1, and at logits that saturate, too. The
    random numbers that the loss draws are held fixed.
    """
    examiner = LossExaminer(loss, classes, settings)
    found, node = examiner.found, examiner.node
    soft = False
    for n in batches:
        what = f"dL/d predictions, {images(n)}"
        rng, predictions = examiner.draw(n)
        kinds, why = targets_taken(examiner, predictions, [rng.integers(0, classes, n), draw_soft(n, classes, rng)])
        if not kinds:
            examiner.refuse(what, why, why)
            return examiner
        if not examiner.held.repeats(partial(loss.forward, predictions, kinds[0])):
            why = "is random: random numbers must come from a numpy Generator that the loss holds"
            row = Check(node, "forward", "wrong", where="is not the same twice")
            found.note(row, f"{node}: forward {why}")
            return examiner
        with found.one_row(what):
            for targets in kinds:
                examiner.check("predictions", what, predictions, targets)
        soft = kinds[-1].ndim == 2
        if soft and "targets" in examiner.inputs:
            examiner.check("targets", f"dL/d targets, {images(n)}", predictions, kinds[-1])
    if "targets" not in examiner.inputs:
        found.note(Check(node, "dL/d targets", "not judged", where="it has no targets_gradient"))
    elif not soft:
        found.note(Check(node, "dL/d targets", "not judged", where="it takes class indices only"))
    examiner.explain()
    if not found.faults:
        for of in examiner.inputs:
            check_upstream(examiner, BY_INPUT[of])
        if soft:
            check_unequal(examiner)
        check_saturated(examiner)
    return examiner


def targets_taken(
    examiner: LossExaminer, predictions: Array, kinds: Sequence[Array | Indices]
) -> tuple[list[Array | Indices], str]:
    """Return the kinds of targets that forward takes (a loss of one's own may take class indices alone), or why not."""
    taken, why = [], ""
    for targets in kinds:
        done = attempt(partial(examiner.forward, predictions, targets))
        if isinstance(done, str):
            why = why or f"forward can't run: {done}"
        else:
            taken.append(targets)
    return taken, why


def check_upstream(examiner: LossExaminer, name: str) -> None:
    """Check that backward(u), or targets_gradient(u), is u times what it is for 1."""
    node, function = examiner.node, getattr(examiner.loss, name)
    what = f"{name}({UPSTREAM}) = {UPSTREAM} · {name}(1)"
    rng, predictions = examiner.draw(ODD)
    targets = rng.integers(0, examiner.classes, ODD)

    def run() -> tuple[Array, Array]:
        examiner.forward(predictions, targets)
        return np.array(function(1.0), np.float64), np.array(function(UPSTREAM), np.float64)

    done = examiner.attempt(what, run, f"{name}(upstream): ")
    if done is None:
        return
    one, many = done
    norm = float(np.linalg.norm(UPSTREAM * one))
    error = float(np.linalg.norm(many - UPSTREAM * one)) / norm if norm else 0.0
    if error <= RELATIVE:
        examiner.found.note(Check(node, what, "exact", error, images(ODD), one.size))
    else:
        fault = f"{node}: {name}(u) is not u times {name}(1): the upstream gradient u is not in it"
        examiner.found.note(Check(node, what, "wrong", error, images(ODD), one.size), fault)


def check_unequal(examiner: LossExaminer) -> None:
    """Check with soft targets whose rows don't sum to 1, as far as the loss takes them."""
    rng, predictions = examiner.draw(ODD)
    targets, where = draw_unequal(ODD, examiner.classes, rng), "targets that don't sum to 1"
    refused = attempt(partial(examiner.forward, predictions, targets))
    if isinstance(refused, str) and refused.startswith(REFUSALS):
        what = f"dL/d predictions, {where}"
        examiner.found.note(Check(examiner.node, what, "not judged", where="not checked: it refuses them"))
        return
    for of in examiner.inputs:
        examiner.check(of, f"dL/d {of}, {where}", predictions, targets)
    examiner.explain()


def check_saturated(examiner: LossExaminer) -> None:
    """Check at logits that saturate a softmax: there a loss may be wrong, and right elsewhere."""
    name = "logits" if examiner.loss.expects == "logits" else "logits, through softmax"
    what = f"dL/d {name}, saturated"
    with examiner.found.one_row(what):
        for spread in SPREADS:
            rng = examiner.settings.stream()
            logits = spread * rng.standard_normal((ODD, examiner.classes))
            labels = rng.integers(0, examiner.classes, ODD)
            examiner.check_logits(what, logits, labels, f"logits of standard deviation {spread}")
            if examiner.found.faults:  # the next would say the same again
                break
