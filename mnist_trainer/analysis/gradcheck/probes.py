"""Probes of a loss: logits and targets, ordinary and saturated, and what is said of them and is right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnist_trainer.analysis.gradcheck.examiner import CheckSettings
from mnist_trainer.analysis.gradcheck.layers import checked_images
from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.reference import reference_cross_entropy, reference_softmax
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.losses.loss import Loss

GAPS = (0.0, 1.0, 20.0, 50.0, 500.0)  # at 690, float64's probabilities come to the separate mode's floor
OFFSETS = (1000.0, -1000.0)
ROWS = 4  # of a saturated probe

ORDINARY, WRONG, RIGHT, SHIFTED = "ordinary logits", "confident and wrong", "confident and right", "rows far apart"
UNEQUAL = "targets that don't sum to 1"


@dataclass(frozen=True, eq=False)
class Probe:
    """A batch of logits (N, C) and targets, of some kind; `where` says which it is within its kind."""

    kind: str
    where: str
    logits: Array
    targets: Array | Indices


@dataclass(frozen=True, eq=False)
class Probed:
    """The mean loss, dL/dz and dL/dt of a probe; the last is None of a loss that has none."""

    loss: float
    logits: Array
    targets: Array | None


def ask_mode(mode: LossMode, probe: Probe) -> Probed:
    """Return what the mode says of a probe."""
    loss = mode.forward(probe.logits.copy(), probe.targets)
    dz = np.array(mode.backward(), np.float64)
    try:
        return Probed(loss, dz, np.array(mode.targets_gradient(), np.float64))
    except TypeError:  # it has none
        return Probed(loss, dz, None)


def reference(mode: LossMode, probe: Probe) -> Probed:
    """Return what is right for a probe, computed in NumPy's longest floating-point numbers."""
    right, n = (
        reference_cross_entropy(probe.logits.astype(np.longdouble), probe.targets, smoothing_of_loss(mode.loss)),
        len(probe.logits),
    )
    return Probed(
        loss=float(right.losses.sum() / n),
        logits=(right.logits / n).astype(np.float64),
        targets=(right.targets / n).astype(np.float64),
    )


def ordinary_probes(classes: int, batches: Sequence[int], settings: CheckSettings) -> Iterator[Probe]:
    """Draw logits of standard deviation 2, with class indices and soft targets, whose rows sum to 1 or don't."""
    for n in batches:
        rng = settings.stream()
        logits = 2 * rng.standard_normal((n, classes))
        yield Probe(ORDINARY, checked_images(n), logits, rng.integers(0, classes, n))
    rng = settings.stream()
    logits = 2 * rng.standard_normal((classes, classes))
    yield Probe(ORDINARY, f"{checked_images(classes)}, soft targets", logits, soft_targets(classes, classes, rng))
    yield Probe(UNEQUAL, checked_images(classes), logits, unequal_targets(classes, classes, rng))


def saturated_probes(classes: int, settings: CheckSettings) -> Iterator[Probe]:
    """Make rows whose true class lies a gap under the largest other one, or over it; and rows 2,000 apart."""
    rng = settings.stream()
    for kind in (WRONG, RIGHT):
        for gap in GAPS:
            labels = rng.integers(0, classes, ROWS)
            rivals = (labels + rng.integers(1, classes, ROWS)) % classes
            logits = -3 - rng.random((ROWS, classes))
            rows = np.arange(ROWS)
            logits[rows, rivals if kind == WRONG else labels] = gap
            logits[rows, labels if kind == WRONG else rivals] = 0
            yield Probe(kind, gap_name(gap), logits, labels)
    logits = 2 * rng.standard_normal((ROWS, classes)) + np.resize(OFFSETS, ROWS)[:, np.newaxis]
    yield Probe(SHIFTED, "logits near ±1000", logits, rng.integers(0, classes, ROWS))


def gap_name(gap: float) -> str:
    """Name a probe by its gap."""
    return f"gap {gap:g}"


def smoothing_of_loss(loss: Loss) -> float:
    """Return a loss's label smoothing, 0 if it has none."""
    return float(getattr(loss, "label_smoothing", 0.0))


def draw_loss_inputs(loss: Loss, n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw logits, or probabilities none of which is near 0, as the loss expects."""
    logits = rng.standard_normal((n, classes))
    return reference_softmax(np.tanh(logits)) if loss.expects == "probabilities" else 2 * logits


def soft_targets(n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw targets (N, C) whose rows sum to 1."""
    soft = rng.random((n, classes)) + 0.1
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))


def unequal_targets(n: int, classes: int, rng: np.random.Generator) -> Array:
    """Draw targets (N, C) whose rows sum to anything between 1.5 and 3."""
    return soft_targets(n, classes, rng) * (1.5 + 1.5 * rng.random((n, 1)))
