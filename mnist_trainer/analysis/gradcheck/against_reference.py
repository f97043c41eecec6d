"""A loss mode as one function of the logits against the cross-entropy by log-sum-exp in the highest precision there is.

Finite differences of a loss see whether its gradient is its own. Whether it is the cross-entropy of the logits only a
reference shows, at ordinary logits and where they saturate: a gap between the true class and the largest other one,
either way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mnist_trainer.analysis.gradcheck import single_precision
from mnist_trainer.analysis.gradcheck.examiner import EPS, CheckSettings, attempt_call, cannot_run_check, coarseness
from mnist_trainer.analysis.gradcheck.findings import Check, Findings, fold_checks, lenient_check
from mnist_trainer.analysis.gradcheck.held import HeldGenerators
from mnist_trainer.analysis.gradcheck.loss_diagnosis import explain_cap, explain_forward
from mnist_trainer.analysis.gradcheck.probes import (
    GAPS,
    ORDINARY,
    SHIFTED,
    UNEQUAL,
    WRONG,
    Probe,
    Probed,
    ask_mode,
    gap_name,
    ordinary_probes,
    reference,
    saturated_probes,
    smoothing_of_loss,
)
from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.reference import reference_softmax
from mnist_trainer.config import LossConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.kernels.arrays import Array

PRECISION = 1e-12
ABSOLUTE = 1e-15  # what rounding leaves where the truth is nearly 0
MEANT = 1e-3  # a loss this near the cross-entropy is meant as one

LOSS = "L = cross-entropy"


def check_mode(config: LossConfig, classes: int, batches: Sequence[int], settings: CheckSettings) -> Findings:
    """Hold a mode against the reference and the invariants, at batches of these sizes and at saturated probes."""
    node, found = f"loss={config.name}", Findings()
    probes = [*ordinary_probes(classes, batches, settings), *saturated_probes(classes, settings)]
    most = max(len(probe.logits) for probe in probes)
    mode = LossMode(config, classes, most, np.float64)
    ours = type(mode.loss).__module__.startswith("mnist_trainer.")
    if draws_random_numbers(mode, probes[0]):
        where = "it draws random numbers: there is no reference to hold it against"
        found.note(Check(node, f"{LOSS}, {ORDINARY}", "not judged", where=where))
        return found
    if not ours and not is_meant_as_cross_entropy(mode, probes[0]):
        found.note(*own_loss_check(mode, node, max(probes, key=lambda probe: len(probe.logits))))
        return found
    other = "separate" if config.name == "fused" else "fused"
    twin_config = SoftmaxCrossEntropyConfig(other, label_smoothing=smoothing_of_loss(mode.loss))
    twin = LossMode(twin_config, classes, most, np.float64)
    raw = attempt_call(lambda: mode.loss.forward(mode.tail.forward(probes[0].logits, training=True), probes[0].targets))
    bound = max(PRECISION, 4 * EPS * coarseness(raw))
    losses: list[tuple[Probe, float, float]] = []
    rows: dict[str, list[Check]] = {}
    for probe in probes:
        answers = attempt_call(partial(ask_mode, mode, probe))
        if isinstance(answers, str):
            if ours or probe.targets.ndim == 1:  # else it takes class indices only
                rows.setdefault(f"backward, {probe.kind}", []).append(cannot_run_check(node, "", answers))
            continue
        right = reference(mode, probe)
        checks = [*held_against(node, probe, answers, right, bound)]
        if probe.kind == UNEQUAL:
            checks = [*map(lenient_check, checks)]
        else:
            losses.append((probe, answers.loss, right.loss))
        if probe.kind == ORDINARY:
            checks += invariant_checks(node, probe, answers.logits, twin)
        for check in checks:
            rows.setdefault(check.what, []).append(check)
    for what, checks in rows.items():
        found.checks.append(fold_checks(checks, what))
    found.blame(explain_mode(mode, node, losses, bound))
    single = LossMode(config, classes, 1, np.float32)
    found.notes += single_precision.notes(
        node, lambda z, t: (single.forward(z, t), single.backward()), classes, settings.budget
    )
    return found


def held_against(node: str, probe: Probe, answers: Probed, right: Probed, of_loss: float) -> Iterator[Check]:
    """Compare a mode's answers with the reference's; the loss as precisely as it is told."""
    for what, got, true in (
        (LOSS, np.array([answers.loss]), np.array([right.loss])),
        ("dL/dz = (p − t)/N", answers.logits, right.logits),
        ("dL/dt = −log p / N", answers.targets, right.targets),
    ):
        if got is not None and true is not None:
            error = relative_error(got, true)
            bound = of_loss if what == LOSS else PRECISION
            numbers = f": {answers.loss:.4g} for {right.loss:.4g}" if what == LOSS and error > bound else ""
            yield judged(node, f"{what}, {probe.kind}", error, probe.where + numbers, got.size, bound)


def invariant_checks(node: str, probe: Probe, dz: Array, twin: LossMode) -> Iterator[Check]:
    """Check that rows of dL/dz sum to 0, and that fused and separate agree on the same logits."""
    error = float(np.abs(dz.sum(axis=1)).max() / (np.linalg.norm(dz) + ABSOLUTE / PRECISION))
    yield judged(node, "rows of dL/dz sum to 0", error, probe.where, len(dz))
    error = relative_error(dz, ask_mode(twin, probe).logits)
    yield judged(node, f"dL/dz equals that of {twin.name}", error, probe.where, dz.size)


def explain_mode(mode: LossMode, node: str, losses: Sequence[tuple[Probe, float, float]], bound: float) -> str | None:
    """Say in words what is wrong with the forward, from ordinary probes first, or else from saturated ones.

    `losses` are the mode's and the right one of each probe.
    """
    off = [one for one in losses if relative_error(np.array([one[1]]), np.array([one[2]])) > bound]
    if not off:
        return None
    for probe, loss, right in off:
        if probe.kind == ORDINARY and (words := explain_forward(loss, right, doubled(mode, probe), len(probe.logits))):
            return f"{node}: {words}"
    for probe, loss, _ in losses:
        if (probe.kind, probe.where) == (WRONG, gap_name(GAPS[-1])):
            farther = attempt_call(partial(ask_mode, mode, replace(probe, logits=probe.logits * 1.2)))
            if isinstance(farther, str):
                continue
            part = float(np.linalg.norm(farther.logits) / np.linalg.norm(reference(mode, probe).logits))
            if words := explain_cap(loss, farther.loss, part):
                return f"{node}: {words}"
    probe, loss, right = off[0]
    if not np.isfinite(loss) and probe.kind == SHIFTED:
        return f"{node}: the loss is {loss} for logits near ±1000: softmax isn't shifted by the maximum of its own row"
    return (
        f"{node}: the forward is not the cross-entropy of the logits: {loss:.5g} for {right:.5g}, {probe.kind}, "
        f"{probe.where}"
    )


def doubled(mode: LossMode, probe: Probe) -> float:
    """Return the cross-entropy of softmax(softmax(z))."""
    return reference(mode, replace(probe, logits=reference_softmax(probe.logits))).loss


def is_meant_as_cross_entropy(mode: LossMode, probe: Probe) -> bool:
    """Tell whether a user's loss is to be the cross-entropy of the logits: what comes near it is."""
    loss, right = attempt_call(partial(mode.forward, probe.logits.copy(), probe.targets)), reference(mode, probe).loss
    return not isinstance(loss, str) and abs(loss - right) <= MEANT * right


def draws_random_numbers(mode: LossMode, probe: Probe) -> bool:
    """Tell whether a loss draws random numbers: its own generator's, or others."""
    held = HeldGenerators(mode.loss)

    def value() -> float:
        return mode.forward(probe.logits[:1].copy(), probe.targets[:1])

    repeats = attempt_call(partial(held.repeats, value))
    return not isinstance(repeats, str) and (held.used or not repeats)


def own_loss_check(mode: LossMode, node: str, probe: Probe) -> tuple[Check, str | None]:
    """Say that a user's loss is something else than the cross-entropy, unless it is a known mistake."""
    what = f"{LOSS}, {ORDINARY}"
    loss = attempt_call(partial(mode.forward, probe.logits.copy(), probe.targets))
    if isinstance(loss, str):
        return Check(node, what, "can't run", where=loss), None
    right = reference(mode, probe).loss
    error, numbers = relative_error(np.array([loss]), np.array([right])), f"{loss:.4g} for {right:.4g}"
    if words := explain_forward(loss, right, doubled(mode, probe), len(probe.logits)):
        return Check(node, what, "wrong", error, numbers, 1), f"{node}: {words}"
    where = f"{numbers}: not the cross-entropy of the logits, but a loss of your own"
    return Check(node, what, "not judged", error, where, 1), None


def judged(node: str, what: str, error: float, where: str, comparisons: int, bound: float = PRECISION) -> Check:
    """Return the row of a relative error."""
    return Check(node, what, "exact" if error <= bound else "wrong", error, where, comparisons)


def relative_error(got: Array, right: Array) -> float:
    """Return ‖Δ‖ relative to the truth's norm, and to what rounding leaves; infinity if anything isn't finite."""
    if not np.isfinite(got).all():
        return float("inf")
    return float(np.linalg.norm(got - right) / (np.linalg.norm(right) + ABSOLUTE / PRECISION))
