"""A loss alone against differences: backward, and targets_gradient if it has one, for batches of several sizes."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import near_enough
from mnist_trainer.analysis.gradcheck.differences import RELATIVE
from mnist_trainer.analysis.gradcheck.examiner import CheckSettings, attempt_call
from mnist_trainer.analysis.gradcheck.findings import Check, lenient_check
from mnist_trainer.analysis.gradcheck.layers import checked_images
from mnist_trainer.analysis.gradcheck.loss_examiner import BY_INPUT, LossExaminer
from mnist_trainer.analysis.gradcheck.probes import UNEQUAL, soft_targets, unequal_targets
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss, loss_value

ODD = 7
MOST = 1024  # images: more show nothing else
UPSTREAM = -2.5
"""What backward is asked for beside 1: a gradient that leaves u out is right for 1 alone."""
SPREADS = (10, 30)  # standard deviations of logits that saturate


def batch_sizes_to_check(classes: int, batch_size: int) -> list[int]:
    """List the batches that mistakes show at: one image, an odd number, the number of classes, and what is trained."""
    return sorted({1, ODD, classes, min(batch_size, MOST)})


def check_loss(loss: Loss, classes: int, batches: Sequence[int], settings: CheckSettings) -> LossExaminer:
    """Check backward with class indices and soft targets, targets_gradient with soft ones, and that u is in both.

    What is right there is checked with soft targets whose rows don't sum to 1, and at logits that saturate, too. The
    random numbers that the loss draws are held fixed.
    """
    examiner = LossExaminer(loss, classes, settings)
    found, node = examiner.found, examiner.node
    if adds_to_earlier_gradient(examiner):
        return examiner
    soft = False
    for n in batches:
        what = f"dL/d predictions, {checked_images(n)}"
        rng, predictions = examiner.draw(n)
        kinds, why = targets_taken(examiner, predictions, [rng.integers(0, classes, n), soft_targets(n, classes, rng)])
        if not kinds:
            examiner.refuse(what, why, why)
            return examiner
        if not examiner.held.repeats(partial(loss_value, loss, predictions, kinds[0])):
            why = "is random: random numbers must come from a numpy Generator that the loss holds"
            row = Check(node, "forward", "wrong", where="is not the same twice")
            found.note(row, f"{node}: forward {why}")
            return examiner
        with found.one_row(what):
            for targets in kinds:
                examiner.check("predictions", what, predictions, targets)
        soft = kinds[-1].ndim == 2
        if soft and "targets" in examiner.inputs:
            examiner.check("targets", f"dL/d targets, {checked_images(n)}", predictions, kinds[-1])
    if "targets" not in examiner.inputs:
        found.note(Check(node, "dL/d targets", "not judged", where="it has no targets_gradient"))
    elif not soft:
        found.note(Check(node, "dL/d targets", "not judged", where="it takes class indices only"))
    examiner.explain()
    if examiner.coarse > 1:
        found.notes.append(
            f"{node}: forward rounds the loss to fewer digits than float64 has, so that its slope can be held against "
            "differences to three digits, or not at all: return it as it is, or as float(...)"
        )
    if not found.faults:
        for of in examiner.inputs:
            check_upstream(examiner, of)
        if soft:
            check_unequal_targets(examiner)
        check_saturated_loss(examiner)
    return examiner


def targets_taken(
    examiner: LossExaminer, predictions: Array, kinds: Sequence[Array | Indices]
) -> tuple[list[Array | Indices], str]:
    """Return the kinds of targets that forward takes (a loss of one's own may take class indices alone), or why not."""
    taken, why = [], ""
    for targets in kinds:
        done = attempt_call(partial(examiner.forward, predictions, targets))
        if isinstance(done, str):
            why = why or f"forward can't run: {done}"
        else:
            taken.append(targets)
    return taken, why


def adds_to_earlier_gradient(examiner: LossExaminer) -> bool:
    """Note whether backward adds to what it found at an earlier batch, which makes all that follows wrong."""
    rng, predictions = examiner.draw(ODD)
    targets = rng.integers(0, examiner.classes, ODD)

    def run() -> Array:
        examiner.forward(predictions, targets)
        return examiner.gradient("predictions", predictions)

    one, two = attempt_call(run), attempt_call(run)
    if isinstance(one, str) or isinstance(two, str) or not near_enough(two, 2 * one):
        return False
    why = "adds to what the last call left, after a new forward, too"
    row = Check(examiner.node, "backward, twice", "wrong", where=why)
    examiner.found.note(row, f"{examiner.node}: backward {why}: let forward set the gradient to 0")
    return True


def check_upstream(examiner: LossExaminer, of: str) -> None:
    """Check that backward(u), or targets_gradient(u), is u times what it is for 1, each after a forward of its own."""
    node, name = examiner.node, BY_INPUT[of]
    what = f"{name}({UPSTREAM}) = {UPSTREAM} · {name}(1)"
    rng, predictions = examiner.draw(ODD)
    targets = rng.integers(0, examiner.classes, ODD)

    def run() -> tuple[Array, Array, Array]:
        examiner.forward(predictions, targets)
        one = examiner.gradient(of, predictions)
        examiner.forward(predictions, targets)
        return one, examiner.gradient(of, predictions, UPSTREAM), examiner.gradient(of, predictions, UPSTREAM)

    done = examiner.attempt(what, run, f"{name}(upstream): ")
    if done is None:
        return
    one, many, again = done
    norm = float(np.linalg.norm(UPSTREAM * one))
    error = float(np.linalg.norm(many - UPSTREAM * one)) / norm if norm else 0.0
    right = error <= RELATIVE
    why = "the upstream gradient u is not in it" if near_enough(many, one) else f"it differs by {error:.2g} of its norm"
    row = Check(node, what, "exact" if right else "wrong", error, checked_images(ODD), one.size)
    examiner.found.note(row, None if right else f"{node}: {name}(u) is not u times {name}(1): {why}")
    if right and near_enough(again, 2 * many):
        examiner.found.notes.append(
            f"{node}: {name} adds to what the last call left: it is right if called once after each forward, as in "
            "training"
        )


def check_unequal_targets(examiner: LossExaminer) -> None:
    """Say what a loss does with soft targets whose rows don't sum to 1: it is right if it is right for all others."""
    there = LossExaminer(examiner.loss, examiner.classes, examiner.settings)
    rng, predictions = there.draw(ODD)
    targets = unequal_targets(ODD, there.classes, rng)
    for of in there.inputs:
        there.check(of, f"dL/d {of}, {UNEQUAL}", predictions, targets)
    there.explain()
    examiner.found.checks += map(lenient_check, there.found.checks)
    examiner.found.notes += [f"{UNEQUAL} are another matter: {fault}" for fault in there.found.faults]


def check_saturated_loss(examiner: LossExaminer) -> None:
    """Check at logits that saturate a softmax, or at their probabilities: a loss may be wrong there alone."""
    what, of = "dL/d predictions, saturated", "" if examiner.loss.expects == "logits" else "softmax of "
    with examiner.found.one_row(what):
        for spread in SPREADS:
            rng = examiner.settings.stream()
            logits = spread * rng.standard_normal((ODD, examiner.classes))
            labels = rng.integers(0, examiner.classes, ODD)
            examiner.check_logits(what, logits, labels, f"{of}logits of standard deviation {spread}")
            if examiner.found.faults:  # the next would say the same again
                break
