"""Which known mistake a loss's wrong derivative, or its wrong forward, is, in words: by its numbers.

u is the upstream gradient, N the batch size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import NEAR, agrees, explain_in_general, near_enough
from mnist_trainer.analysis.gradcheck.differences import Measured
from mnist_trainer.analysis.reference import reference_softmax, reference_softmax_backward
from mnist_trainer.kernels.arrays import Array

TAUGHT = 1e-3
"""A gradient of a smaller part of the right one's norm is called nearly 0."""
MANY = 1e6  # what is larger is written in fewer digits


@dataclass(frozen=True, eq=False)
class LossCase:
    """What a loss did with predictions (N, C) and targets (N, C), smoothed as the loss says, for u = 1."""

    node: str
    name: str  # predictions or targets
    method: str  # which said it
    expects: str
    predictions: Array
    targets: Array
    measured: Measured


def explain_loss(case: LossCase) -> str:
    """Say what a loss's wrong derivative is."""
    n, t = len(case.predictions), case.targets
    p = case.predictions if case.expects == "probabilities" else reference_softmax(case.predictions)
    of_logits, of_probabilities = (p - t) / n, -t / (n * p)
    right_of_logits = (p * t.sum(axis=1, keepdims=True) - t) / n
    known: tuple[tuple[str, Array, Array, str], ...] = (
        (
            *("probabilities", of_logits, of_probabilities),
            "(p − t)/N: the derivative with respect to the logits, with the softmax in it already; right is the "
            "derivative with respect to the probabilities, −t/(N p)",
        ),
        (
            *("logits", of_logits, right_of_logits),
            "(p − t)/N, which is right only for targets whose rows sum to 1: right is (p Σ_c t_c − t)/N",
        ),
        (
            *("logits", of_probabilities, of_logits),
            "−t/(N p): the derivative with respect to the probabilities; the derivative of the softmax, which is "
            "inside this loss, is missing: right is (p − t)/N",
        ),
        (
            *("logits", p * (1 - p) * of_logits, of_logits),
            "p(1 − p) ⊙ (p − t)/N: of the softmax's Jacobian only the diagonal, applied to what is the derivative with "
            "respect to the logits already; right is (p − t)/N alone",
        ),
        (
            *("logits", p * (1 - p) * of_probabilities, of_logits),
            "p(1 − p) ⊙ (−t/(N p)): −t/(N p) is the right derivative with respect to p, but of the softmax's Jacobian "
            "only the diagonal is applied to it: the off-diagonal terms −p_i p_j are missing",
        ),
        (
            *("logits", reference_softmax_backward(p, of_logits), of_logits),
            "the softmax's Jacobian applied to (p − t)/N: the softmax's derivative is applied twice, for (p − t)/N is "
            "the derivative with respect to the logits already",
        ),
    )
    if n == p.shape[1]:
        posted = (
            *("logits", p * (np.eye(n) - p) * of_logits, of_logits),
            "p ⊙ (I_N − p) ⊙ (p − t)/N: the identity has the size of the batch where the number of classes belongs (it "
            "runs here since N = C), and (p − t)/N is the derivative with respect to the logits already",
        )
        known = (*known, posted)
    what = f"{case.node}: {case.method}"
    for expects, candidate, right, words in known:
        alike = near_enough(case.measured.analytic, candidate) and agrees(case.measured, right)
        if case.name == "predictions" and case.expects == expects and alike:
            return f"{what} is {words}"
    return f"{what} {explain_in_general(case.measured, n, 'loss')}"


def explain_chain(wrong: Sequence[LossCase], *, tail_exact: bool) -> str | None:
    """Say what two nodes make of each other: the softmax's derivative twice, if the loss had it in already."""
    for case in wrong:
        p, t, n = case.predictions, case.targets, len(case.predictions)
        of_logits = case.name == "predictions" and near_enough(case.measured.analytic, (p - t) / n)
        if tail_exact and case.expects == "probabilities" and of_logits:
            return (
                "both together: the softmax's derivative is applied twice, once within (p − t)/N and once more by the "
                "softmax layer's backward, which is right; the gradient is too small, and vanishes as p saturates"
            )
    return None


def explain_forward(loss: float, right: float, doubled: float, n: int) -> str | None:
    """Say what the loss of ordinary logits is if it isn't their cross-entropy; None if it is nothing known."""
    if nearly_same_loss(loss, doubled):
        return (
            "the forward is the cross-entropy of softmax(softmax(z)): softmax is applied twice, since probabilities "
            "are handed to a loss that takes logits. Finite differences can't show it, for they know no other loss; "
            "this one can't get near 0"
        )
    if n > 1 and nearly_same_loss(loss, n * right):
        return "the forward is N times the mean cross-entropy: the sum over the batch"
    if nearly_same_loss(loss, -right):
        return "the forward is the negative of the cross-entropy"
    return None


def explain_cap(loss: float, larger: float, gradient: float) -> str | None:
    """Say at what the loss is capped, if it is the same for a gap and for a much larger one.

    `gradient` is the norm of dL/dz there, as a part of the right one's.
    """
    if not np.isfinite(loss) or not nearly_same_loss(loss, larger) or loss <= 0:
        return None
    epsilon = f", with ε = {np.exp(-loss):.3g}" if np.exp(-loss) > 0 else ""
    teaches = (
        "There the gradient is 0, or nearly: the worst mistakes teach nothing, and finite differences pass"
        if gradient <= TAUGHT
        else f"There the gradient is {gradient:.3g} times as large as the right one, as if there were no cap"
    )
    cap = f"{loss:.2f}" if loss < MANY else f"{loss:.4g}"
    return f"the loss is capped at {cap} = −log ε{epsilon}: probabilities are not let under ε. {teaches}"


def nearly_same_loss(one: float, other: float) -> bool:
    """Tell whether two losses are the same but for rounding and a little clipping."""
    return bool(np.isfinite(other)) and abs(one - other) <= NEAR * abs(other)
