"""A loss mode as one function of the logits against the cross-entropy by log-sum-exp in the highest precision there is.

Finite differences of a loss see whether its gradient is its own. Whether it is the cross-entropy of the logits only a
reference shows, at ordinary logits and where they saturate: a gap between the true class and the largest other one,
either way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from mnist_trainer.analysis.gradcheck.diagnosis import explain_cap, explain_forward
from mnist_trainer.analysis.gradcheck.examiner import Held, Settings, attempt, cannot_run, fold
from mnist_trainer.analysis.gradcheck.findings import Check, Verdict
from mnist_trainer.analysis.gradcheck.layers import Found
from mnist_trainer.analysis.gradcheck.probes import (
    GAPS,
    ORDINARY,
    SHIFTED,
    WRONG,
    Answers,
    Probe,
    ask,
    gap_of,
    ordinary_probes,
    reference,
    saturated_probes,
    smoothing,
)
from mnist_trainer.analysis.modes import Mode
from mnist_trainer.analysis.reference import softmax
from mnist_trainer.config import LossConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.kernels.arrays import Array

PRECISION = 1e-12
ABSOLUTE = 1e-15  # what rounding leaves where the truth is nearly 0
MEANT = 1e-3  # a loss this near the cross-entropy is meant as one

QUANTITIES = {"loss": "L = cross-entropy", "logits": "dL/dz = (p − t)/N", "targets": "dL/dt = −log p / N"}


def check_mode(config: LossConfig, classes: int, batches: Sequence[int], settings: Settings) -> Found:
    """Hold a mode against the reference and the invariants, at batches of these sizes and at saturated probes."""
    node = f"loss={config.name}"
    found, mode = Found(), Mode(config, classes, 1, np.float64)
    ordinary = list(ordinary_probes(classes, batches, settings))
    if is_random(mode, ordinary[0]):
        where = "it draws random numbers: there is no reference to hold it against"
        found.checks.append(Check(node, f"{QUANTITIES['loss']}, {ORDINARY}", "not judged", where=where))
        return found
    if not is_meant(config, classes, ordinary[0]):
        return of_its_own(config, node, classes, ordinary, found)
    answered: dict[tuple[str, str], tuple[Probe, Answers]] = {}
    rows: dict[tuple[str, str], list[Check]] = {}
    for probe in [*ordinary, *saturated_probes(classes, settings)]:
        answers = attempt(partial(ask, config, classes, probe))
        if isinstance(answers, str):
            if not is_ours(mode) and probe.targets.ndim == 2:  # it takes class indices only
                continue
            rows.setdefault((probe.kind, "can't run"), []).append(cannot_run(node, "", answers))
            continue
        answered[probe.kind, probe.where] = probe, answers
        right = reference(config, probe, answers.targets is not None)
        for quantity, check in held_against(node, probe, answers, right):
            rows.setdefault((probe.kind, quantity), []).append(check)
        if probe.kind == ORDINARY:
            for what, check in invariants(config, node, classes, probe, answers):
                rows.setdefault((probe.kind, what), []).append(check)
    for (kind, quantity), checks in rows.items():
        what = f"{QUANTITIES[quantity]}, {kind}" if quantity in QUANTITIES else quantity
        found.checks.append(fold(checks, f"backward, {kind}" if quantity == "can't run" else what))
    found.faults += explain(config, node, classes, answered, found)
    return found


def held_against(node: str, probe: Probe, answers: Answers, right: Answers) -> Iterator[tuple[str, Check]]:
    """Compare a mode's answers with the reference's."""
    for quantity, got, true in (
        ("loss", np.array([answers.loss]), np.array([right.loss])),
        ("logits", answers.logits, right.logits),
        ("targets", answers.targets, right.targets),
    ):
        if got is None or true is None:
            continue
        error = relative(got, true)
        numbers = f": {answers.loss:.4g} for {right.loss:.4g}" if quantity == "loss" and error > PRECISION else ""
        yield quantity, Check(node, quantity, judged(error), error, probe.where + numbers, got.size)


def invariants(
    config: LossConfig, node: str, classes: int, probe: Probe, answers: Answers
) -> Iterator[tuple[str, Check]]:
    """Check that rows of dL/dz sum to 0, and that fused and separate agree on the same logits."""
    norm = float(np.linalg.norm(answers.logits))
    error = float(np.abs(answers.logits.sum(axis=1)).max()) / (norm + ABSOLUTE / PRECISION)
    yield "rows of dL/dz sum to 0", Check(node, "", judged(error), error, probe.where, len(answers.logits))
    other = "separate" if config.name == "fused" else "fused"
    twin = ask(SoftmaxCrossEntropyConfig(other, label_smoothing=smoothing(config)), classes, probe)
    error = relative(answers.logits, twin.logits)
    yield f"dL/dz equals that of {other}", Check(node, "", judged(error), error, probe.where, answers.logits.size)


def explain(
    config: LossConfig,
    node: str,
    classes: int,
    answered: dict[tuple[str, str], tuple[Probe, Answers]],
    found: Found,
) -> Iterator[str]:
    """Say in words what is wrong with the forward, from ordinary probes first, or else from saturated ones."""
    off = []
    for probe, answers in answered.values():
        right = reference(config, probe)
        if relative(np.array([answers.loss]), np.array([right.loss])) > PRECISION:
            off.append((probe, answers.loss, right.loss))
    if not off:
        return
    for probe, loss, right_loss in off:
        if probe.kind == ORDINARY:
            doubled = reference(config, replace(probe, logits=softmax(probe.logits))).loss
            if words := explain_forward(loss, right_loss, doubled, len(probe.logits)):
                yield f"{node}: {words}"
                return
    far = answered.get((WRONG, gap_of(GAPS[-1])))
    if far is not None:
        farther = replace(far[0], logits=far[0].logits * 1.2)
        answers_there = attempt(partial(ask, config, classes, farther))
        if not isinstance(answers_there, str) and (words := explain_cap(far[1].loss, answers_there.loss)):
            yield f"{node}: {words}"
            return
    probe, loss, right_loss = off[0]
    if not np.isfinite(loss) and probe.kind == SHIFTED:
        yield f"{node}: the loss is {loss} for logits near ±1000: softmax isn't shifted by the maximum of its own row"
    else:
        yield (
            f"{node}: the forward is not the cross-entropy of the logits: {loss:.6g} for {right_loss:.6g}, "
            f"{probe.kind}, {probe.where}"
        )


def is_meant(config: LossConfig, classes: int, probe: Probe) -> bool:
    """Tell whether a loss is to be the cross-entropy of the logits: this project's own are, and what comes near it."""
    mode = Mode(config, classes, len(probe.logits), np.float64)
    if is_ours(mode):
        return True
    loss = attempt(lambda: mode.forward(probe.logits.copy(), probe.targets))
    right = reference(config, probe).loss
    return not isinstance(loss, str) and abs(loss - right) <= MEANT * right


def is_random(mode: Mode, probe: Probe) -> bool:
    """Tell whether a loss draws random numbers: its own generator's, or others."""
    held = Held(mode.loss)
    one = probe.logits[:1].copy()

    def value() -> float:
        return mode.forward(one.copy(), probe.targets[:1])

    repeats = attempt(lambda: held.repeats(value))
    return not isinstance(repeats, str) and (held.used or not repeats)


def is_ours(mode: Mode) -> bool:
    """Tell this project's losses from users' own."""
    return type(mode.loss).__module__.startswith("mnist_trainer.")


def of_its_own(config: LossConfig, node: str, classes: int, probes: Sequence[Probe], found: Found) -> Found:
    """Say that a user's loss is something else than the cross-entropy, unless it is a known mistake."""
    what = f"{QUANTITIES['loss']}, {ORDINARY}"
    probe = max(probes, key=lambda probe: len(probe.logits))
    mode = Mode(config, classes, len(probe.logits), np.float64)
    loss = attempt(lambda: mode.forward(probe.logits.copy(), probe.targets))
    if isinstance(loss, str):
        found.checks.append(Check(node, what, "can't run", where=loss))
        return found
    right = reference(config, probe).loss
    doubled = reference(config, replace(probe, logits=softmax(probe.logits))).loss
    error = relative(np.array([loss]), np.array([right]))
    words = explain_forward(loss, right, doubled, len(probe.logits))
    numbers = f"{loss:.4g} for {right:.4g}"
    if words:
        found.checks.append(Check(node, what, "wrong", error, numbers, 1))
        found.faults.append(f"{node}: {words}")
    else:
        where = f"{numbers}: not the cross-entropy of the logits, but a loss of your own"
        found.checks.append(Check(node, what, "not judged", error, where, 1))
    return found


def judged(error: float) -> Verdict:
    """Return the verdict on a relative error."""
    return "exact" if error <= PRECISION else "wrong"


def relative(got: Array, right: Array) -> float:
    """Return ‖Δ‖ relative to the truth's norm, and to what rounding leaves; infinity if anything isn't finite."""
    if not np.isfinite(got).all():
        return float("inf")
    return float(np.linalg.norm(got - right) / (np.linalg.norm(right) + ABSOLUTE / PRECISION))
