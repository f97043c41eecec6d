"""A loss alone against differences: backward, and targets_gradient if it has one, for batches of several sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import LossCase, explain_loss, in_general
from mnist_trainer.analysis.gradcheck.differences import RELATIVE
from mnist_trainer.analysis.gradcheck.examiner import Held, Settings, attempt, cannot_run, derivative, fold
from mnist_trainer.analysis.gradcheck.findings import Check
from mnist_trainer.analysis.gradcheck.layers import Found, images
from mnist_trainer.analysis.gradcheck.probes import draw_predictions, draw_soft, draw_unequal, smoothed
from mnist_trainer.analysis.reference import softmax
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss

ODD = 7
MOST = 1024  # images: more show nothing else
UPSTREAM = -2.5
"""What backward is asked for beside 1: a gradient that leaves u out is right for 1 alone."""
SPREADS = (10, 30)  # standard deviations of logits that saturate
REFUSALS = ("ConfigError", "DataError", "ValueError")


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


def sizes(classes: int, batch_size: int) -> list[int]:
    """List the batches that mistakes show at: one image, an odd number, the number of classes, and what is trained."""
    return sorted({1, ODD, classes, min(batch_size, MOST)})


def check_loss(loss: Loss, classes: int, batches: Sequence[int], settings: Settings) -> LossFound:
    """Check backward with class indices and soft targets, targets_gradient with soft ones, and that u is in both.

    What is right there is checked with soft targets whose rows don't sum to 1, and at logits that saturate, too. The
    random numbers that the loss draws are held fixed.
    """
    subject = Subject(loss, settings)
    found, node = subject.found, subject.node
    soft = False
    for n in batches:
        what = f"dL/d predictions, {images(n)}"
        rng = settings.stream()
        predictions, labels = draw_predictions(loss, n, classes, rng), rng.integers(0, classes, n)
        kinds, why = targets_taken(subject, predictions, [labels, draw_soft(n, classes, rng)])
        if not kinds:
            found.checks.append(cannot_run(node, what, why))
            found.faults.append(f"{node}: {why}")
            return found
        if not subject.held.repeats(partial(loss.forward, predictions, kinds[0])):
            found.checks.append(Check(node, "forward", "wrong", where="is not the same twice"))
            why = "is random: random numbers must come from a numpy Generator that the loss holds"
            found.faults.append(f"{node}: forward {why}")
            return found
        rows = [subject.of_predictions(what, predictions, targets) for targets in kinds]
        found.checks.append(fold(rows, what))
        soft = kinds[-1].ndim == 2
        if subject.has_targets_gradient and soft:
            found.checks.append(subject.of_targets(f"dL/d targets, {images(n)}", predictions, kinds[-1]))
    if not subject.has_targets_gradient:
        found.checks.append(Check(node, "dL/d targets", "not judged", where="it has no targets_gradient"))
    elif not soft:
        found.checks.append(Check(node, "dL/d targets", "not judged", where="it takes class indices only"))
    explain(found, classes)
    if not found.faults:
        of_upstream(subject, classes)
        if soft:
            of_unequal(subject, classes)
        of_saturated(subject, classes)
    return found


def explain(found: LossFound, classes: int) -> None:
    """Say what is wrong in words, by the case that tells most."""
    for name in ("predictions", "targets"):
        cases = [case for case in found.wrong if case.name == name]
        telling = [case for case in cases if len(case.predictions) not in (1, classes)] or cases
        if telling:  # the largest batch; with class indices, if they are wrong too
            found.faults.append(explain_loss(max(telling, key=size_of_batch)))


def size_of_batch(case: LossCase) -> int:
    """Return N."""
    return len(case.predictions)


def of_upstream(subject: Subject, classes: int) -> None:
    """Check that backward(u) is u times backward(1), and targets_gradient likewise."""
    loss, node, found, rng = subject.loss, subject.node, subject.found, subject.settings.stream()
    predictions, targets = draw_predictions(loss, ODD, classes, rng), rng.integers(0, classes, ODD)
    functions = {"backward": loss.backward}
    if subject.has_targets_gradient:
        functions["targets_gradient"] = loss.targets_gradient
    for name, function in functions.items():
        what = f"{name}({UPSTREAM}) = {UPSTREAM} · {name}(1)"

        def run(function: Callable[[float], Array] = function) -> tuple[Array, Array]:
            subject.forward(predictions, targets)
            return np.array(function(1.0), np.float64), np.array(function(UPSTREAM), np.float64)

        done = attempt(run)
        if isinstance(done, str):
            found.checks.append(cannot_run(node, what, done))
            found.faults.append(f"{node}: {name}(upstream): {done}")
            continue
        one, many = done
        norm = float(np.linalg.norm(UPSTREAM * one))
        error = float(np.linalg.norm(many - UPSTREAM * one)) / norm if norm else 0.0
        found.checks.append(Check(node, what, "exact" if error <= RELATIVE else "wrong", error, images(ODD), one.size))
        if error > RELATIVE:
            found.faults.append(f"{node}: {name}(u) is not u times {name}(1): the upstream gradient u is not in it")


def of_unequal(subject: Subject, classes: int) -> None:
    """Check with soft targets whose rows don't sum to 1, as far as the loss takes them."""
    found, rng = subject.found, subject.settings.stream()
    predictions, targets = draw_predictions(subject.loss, ODD, classes, rng), draw_unequal(ODD, classes, rng)
    names, where = ["predictions"], "targets that don't sum to 1"
    if subject.has_targets_gradient:
        names.append("targets")
    refused = attempt(partial(subject.forward, predictions, targets))
    if isinstance(refused, str) and refused.startswith(REFUSALS):
        what = f"dL/d predictions, {where}"
        found.checks.append(Check(subject.node, what, "not judged", where="not checked: it refuses them"))
        return
    for name in names:
        of = subject.of_predictions if name == "predictions" else subject.of_targets
        found.checks.append(of(f"dL/d {name}, {where}", predictions, targets))
    explain(found, classes)


def of_saturated(subject: Subject, classes: int) -> None:
    """Check at logits that saturate a softmax: there a loss may be wrong, and right elsewhere."""
    name = "logits" if subject.loss.expects == "logits" else "logits, through softmax"
    what = f"dL/d {name}, saturated"
    rows = []
    for spread in SPREADS:
        rng = subject.settings.stream()
        logits, labels = spread * rng.standard_normal((ODD, classes)), rng.integers(0, classes, ODD)
        rows.append(subject.of_logits(what, logits, labels, f"logits of standard deviation {spread}"))
        if subject.found.faults:  # the next would say the same again
            break
    judged = [check for check in rows if check.verdict != "not judged"]
    subject.found.checks.append(fold(judged or rows, what))


def targets_taken(
    subject: Subject, predictions: Array, kinds: Sequence[Array | Indices]
) -> tuple[list[Array | Indices], str]:
    """Return the kinds of targets that forward takes (a loss of one's own may take class indices alone), or why not."""
    taken, why = [], ""
    for targets in kinds:
        done = attempt(partial(subject.forward, predictions, targets))
        if isinstance(done, str):
            why = why or f"forward can't run: {done}"
        else:
            taken.append(targets)
    return taken, why
