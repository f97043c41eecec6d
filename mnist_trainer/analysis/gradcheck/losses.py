"""A loss alone against differences: backward, and targets_gradient if it has one, for batches of several sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import LossCase, explain_loss, softmax
from mnist_trainer.analysis.gradcheck.differences import RELATIVE
from mnist_trainer.analysis.gradcheck.layers import Found, images
from mnist_trainer.analysis.gradcheck.report import Check
from mnist_trainer.analysis.gradcheck.rows import Settings, attempt, cannot_run, derivative, fold
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss

ODD = 7
MOST = 1024  # images: more show nothing else
UPSTREAM = -2.5
"""What backward is asked for beside 1: a gradient that leaves u out is right for 1 alone."""


@dataclass
class LossFound(Found):
    """A loss's rows and faults, and the cases of its wrong derivatives."""

    wrong: list[LossCase] = field(default_factory=list)


def sizes(classes: int, batch_size: int) -> list[int]:
    """List the batches that mistakes show at: one image, an odd number, the number of classes, and what is trained."""
    return sorted({1, ODD, classes, min(batch_size, MOST)})


def check_loss(loss: Loss, classes: int, batches: Sequence[int], settings: Settings) -> LossFound:
    """Check backward with class indices and soft targets, targets_gradient with soft ones, and that u is in both."""
    found, node = LossFound(), f"loss {type(loss).__name__}"
    for n in batches:
        what = f"dL/d predictions, {images(n)}"
        rng = settings.stream()
        predictions, labels = draw_predictions(loss, n, classes, rng), rng.integers(0, classes, n)
        kinds, why = targets_taken(loss, predictions, [labels, draw_soft(n, classes, rng)])
        if not kinds:
            found.checks.append(cannot_run(node, what, why))
            found.faults.append(f"{node}: {why}")
            return found
        rows = [of_predictions(loss, node, what, predictions, targets, settings, found) for targets in kinds]
        found.checks.append(fold(rows, what))
        if type(loss).targets_gradient is Loss.targets_gradient or kinds[-1].ndim == 1:
            continue
        found.checks.append(of_targets(loss, node, predictions, kinds[-1], settings, found))
    if type(loss).targets_gradient is Loss.targets_gradient:
        found.checks.append(Check(node, "dL/d targets", "not judged", where="it has no targets_gradient"))
    elif kinds[-1].ndim == 1:
        found.checks.append(Check(node, "dL/d targets", "not judged", where="it takes class indices only"))
    for name in ("predictions", "targets"):
        cases = [case for case in found.wrong if case.name == name]
        telling = [case for case in cases if len(case.predictions) not in (1, classes)] or cases
        if telling:  # the largest batch; with class indices, if they are wrong too
            found.faults.append(explain_loss(max(telling, key=lambda case: len(case.predictions))))
    if not found.faults:
        of_upstream(loss, node, classes, settings, found)
    return found


def of_predictions(
    loss: Loss,
    node: str,
    what: str,
    predictions: Array,
    targets: Array | Indices,
    settings: Settings,
    found: LossFound,
) -> Check:
    """Check backward."""

    def run() -> tuple[float, Array]:
        return loss.forward(predictions, targets), np.array(loss.backward(), np.float64)

    done = attempt(run)
    if isinstance(done, str):
        found.faults.append(f"{node}: {done}")
        return cannot_run(node, what, done)
    value, analytic = done
    check, measured = derivative(
        node,
        what,
        lambda: loss.forward(predictions, targets),
        predictions,
        analytic,
        size_of(value),
        settings,
    )
    if check.verdict == "wrong" and measured is None:
        found.faults.append(f"{node}: backward {check.where}")
    elif check.verdict == "wrong" and measured is not None:
        dense = smoothed(loss, targets, predictions.shape[1])
        found.wrong.append(LossCase(node, "predictions", loss.expects, predictions.copy(), dense, measured))
    return check


def of_targets(
    loss: Loss, node: str, predictions: Array, targets: Array | Indices, settings: Settings, found: LossFound
) -> Check:
    """Check targets_gradient."""
    what, array = f"dL/d targets, {images(len(predictions))}", np.array(targets, np.float64)

    def run() -> tuple[float, Array]:
        return loss.forward(predictions, array), np.array(loss.targets_gradient(), np.float64)

    done = attempt(run)
    if isinstance(done, str):
        found.faults.append(f"{node}: targets_gradient: {done}")
        return cannot_run(node, what, done)
    value, analytic = done
    check, measured = derivative(
        node, what, lambda: loss.forward(predictions, array), array, analytic, size_of(value), settings
    )
    if check.verdict == "wrong" and measured is None:
        found.faults.append(f"{node}: targets_gradient {check.where}")
    elif check.verdict == "wrong" and measured is not None:
        found.wrong.append(LossCase(node, "targets", loss.expects, predictions.copy(), array.copy(), measured))
    return check


def of_upstream(loss: Loss, node: str, classes: int, settings: Settings, found: LossFound) -> None:
    """Check that backward(u) is u times backward(1), and targets_gradient likewise."""
    rng = settings.stream()
    predictions, targets = draw_predictions(loss, ODD, classes, rng), rng.integers(0, classes, ODD)
    functions = {"backward": loss.backward}
    if type(loss).targets_gradient is not Loss.targets_gradient:
        functions["targets_gradient"] = loss.targets_gradient
    for name, function in functions.items():
        what = f"{name}({UPSTREAM}) = {UPSTREAM} · {name}(1)"

        def run(function: Callable[[float], Array] = function) -> tuple[Array, Array]:
            loss.forward(predictions, targets)
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


def draw_predictions(loss: Loss, n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw logits, or probabilities none of which is near 0, as the loss expects."""
    logits = rng.standard_normal((n, classes))
    return softmax(np.tanh(logits)) if loss.expects == "probabilities" else 2 * logits


def draw_soft(n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw targets (N, C) whose rows sum to 1."""
    soft = rng.random((n, classes)) + 0.1
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))


def smoothed(loss: Loss, targets: Array | Indices, classes: int) -> Array:
    """Return the targets as an array (N, C), smoothed as the loss's `label_smoothing` says, if it has one."""
    epsilon = float(getattr(loss, "label_smoothing", 0.0))
    dense = np.eye(classes)[targets] if targets.ndim == 1 else targets
    return np.asarray((1 - epsilon) * dense + epsilon / classes)


def targets_taken(
    loss: Loss, predictions: Array, kinds: Sequence[Array | Indices]
) -> tuple[list[Array | Indices], str]:
    """Return the kinds of targets that forward takes (a loss of one's own may take class indices alone), or why not."""
    taken, why = [], ""
    for targets in kinds:
        done = attempt(partial(loss.forward, predictions, targets))
        if isinstance(done, str):
            why = why or f"forward can't run: {done}"
        else:
            taken.append(targets)
    return taken, why


def size_of(loss: float) -> float:
    """Tell the size of the numbers that a loss adds up: a loss near 0 is a difference of larger ones."""
    return max(abs(loss), 1e-3)
