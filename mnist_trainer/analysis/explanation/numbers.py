"""The derivation of dL/dz for one image in numbers: by the project's own nodes, and by what they are held against.

L = −log p_true, p = softmax(z), all in float64. `lecture` tells it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mnist_trainer.analysis.explanation.subject import Floats, Subject
from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.reference import reference_cross_entropy, reference_softmax
from mnist_trainer.analysis.studies.saturation_curves import OneHotMode, Textbook
from mnist_trainer.config import LossConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.kernels.arrays import Array

SATURATED = (0.5, 1 / 3, 0.1, 0.01, 0.001, 0.0001)
DIFFERENCE_STEP = 1e-5
UNDERFLOW = 104.0  # e^-104 is 0 in float32


@dataclass(frozen=True)
class TrueClassGradient:
    """dL/dz at the true class, with its logit moved so that it has the probability `p_true`."""

    p_true: float
    right: float
    posted: float


@dataclass(frozen=True)
class ExplainedBatch:
    """The same for N images at once, whose mean loss has the factor 1/N."""

    images: int
    classes: int
    difference: float  # largest, between the layer's backward and Jacobians built one by one
    fused_difference: float  # largest, between the fused loss's backward and the layer's
    question_error: str | None  # why the question's own softmax can't run on this batch
    question_difference: float | None  # largest, to the right gradient, where it runs


@dataclass(frozen=True)
class LogZero:
    """What each way to write the loss returns in float32 for the image, its true class `UNDERFLOW` under the largest.

    `losses` and `gradients` (dL/dz at the true class) are by the way; `homework_right` is the homework's loss where it
    is another class that lies so far under, and the true one is the largest.
    """

    truth: float
    losses: dict[str, float]
    gradients: dict[str, float]
    homework_right: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """All numbers of the derivation, in its order; vectors are (C,), gradients with respect to logits unless told."""

    subject: Subject
    targets: Floats  # one-hot
    p: Floats  # the node Softmax
    loss: float  # the nodes Softmax and CrossEntropy
    fused_loss: float  # the node SoftmaxLoss
    dp: Floats  # dL/dp: the node CrossEntropy
    dt: Floats  # dL/dt: the node CrossEntropy
    unshifted: Floats  # e^z / Σ e^z, without subtracting the maximum: not finite where e^z is inf, or all are 0
    jacobian: Floats  # (C, C): dp_i/dz_j = p_i (δ_ij − p_j)
    numeric_jacobian: Floats  # the same by central differences
    product: Floats  # Jᵀ · dL/dp, with J built
    shortcut: Floats  # p ⊙ (dL/dp − Σ_c dL/dp_c p_c): the node Softmax, no J built
    p_minus_t: Floats
    fused: Floats  # the node SoftmaxLoss
    numeric: Floats  # central differences of the loss, which know no calculus
    posted: Floats  # (p − t) ⊙ p(1 − p): the mistake posted_answer
    diagonal: Floats  # −t/p ⊙ p(1 − p): the mistake diagonal
    saturation: Sequence[TrueClassGradient]
    log_zero: LogZero
    batch: ExplainedBatch

    @property
    def predicted(self) -> int:
        """The class of the largest logit."""
        return int(self.subject.logits.argmax())

    @property
    def rival(self) -> int:
        """The most probable class but for the true one."""
        return int(np.where(self.targets == 1, -np.inf, self.subject.logits).argmax())

    @property
    def differences(self) -> dict[str, float]:
        """The largest differences to p − t, by what was computed."""
        found = {
            "jacobian_product": self.product,
            "separate": self.shortcut,
            "fused": self.fused,
            "finite_differences": self.numeric,
            "posted_answer": self.posted,
            "diagonal": self.diagonal,
        }
        return {name: largest_error(values, self.p_minus_t) for name, values in found.items()}


def explain_gradient(subject: Subject, batch_logits: Floats, batch_labels: NDArray[np.intp]) -> Explanation:
    """Compute all numbers for a subject, and for a batch of logits (N, C) with labels (N,)."""
    z, label = subject.logits[np.newaxis].astype(np.float64), np.array([subject.label])
    classes = z.shape[1]
    separate, fused, posted, diagonal = (
        mode_to_explain(name, classes, 1) for name in ("separate", "fused", "posted_answer", "diagonal")
    )
    loss = separate.forward(z, label)
    p = separate.tail.forward(z, training=True)[0].copy()
    dp = separate.loss.backward()[0].copy()
    targets = np.eye(classes)[subject.label]
    jacobian = np.diag(p) - np.outer(p, p)
    near = z[0] - z.max()  # the same p and loss, without the rounding of large logits in their differences
    with np.errstate(all="ignore"):
        unshifted = np.exp(z[0]) / np.exp(z[0]).sum()
    return Explanation(
        subject=subject,
        targets=targets,
        p=p,
        loss=loss,
        fused_loss=fused.forward(z, label),
        dp=dp,
        dt=separate.targets_gradient()[0].copy(),
        unshifted=unshifted,
        jacobian=jacobian,
        numeric_jacobian=jacobian_by_differences(reference_softmax, near),
        product=jacobian.T @ dp,
        shortcut=logits_gradient(separate, z, label)[0],
        p_minus_t=p - targets,
        fused=logits_gradient(fused, z, label)[0],
        numeric=jacobian_by_differences(lambda one: reference_cross_entropy(one[np.newaxis], label).losses, near),
        posted=logits_gradient(posted, z, label)[0],
        diagonal=logits_gradient(diagonal, z, label)[0],
        saturation=[saturate_true_class(z, subject.label, p_true) for p_true in SATURATED],
        log_zero=log_of_zero(z[0], subject.label),
        batch=explain_batch(batch_logits.astype(np.float64), batch_labels),
    )


def explain_batch(logits: Floats, labels: NDArray[np.intp]) -> ExplainedBatch:
    """Build N Jacobians and contract each with its own row of dL/dp; compare with the layer, which builds none."""
    n, classes = logits.shape
    separate, fused, question = (mode_to_explain(name, classes, n) for name in ("separate", "fused", "posted_question"))
    right = logits_gradient(separate, logits, labels)
    p = separate.tail.forward(logits, training=True).copy()
    upstream = -np.eye(classes)[labels] / (n * p)
    jacobians = p[:, :, np.newaxis] * (np.eye(classes) - p[:, np.newaxis, :])
    contracted = np.einsum("nij,ni->nj", jacobians, upstream)
    question_error, question_difference = None, None
    try:
        question_difference = largest_error(logits_gradient(question, logits, labels), right)
    except MistakeError as error:
        question_error = str(error)
    return ExplainedBatch(
        images=n,
        classes=classes,
        difference=largest_error(contracted, right),
        fused_difference=largest_error(logits_gradient(fused, logits, labels), right),
        question_error=question_error,
        question_difference=question_difference,
    )


def saturate_true_class(z: Floats, label: int, p_true: float) -> TrueClassGradient:
    """Move the true class's logit (of z, (1, C)) so that p_true is what it is told to be."""
    moved = z.copy()
    moved[0, label] = -np.inf
    moved -= moved.max()
    moved[0, label] = np.log(np.exp(moved).sum()) + np.log(p_true / (1 - p_true))
    modes = (mode_to_explain(name, z.shape[1], 1) for name in ("separate", "posted_answer"))
    right, posted = (float(logits_gradient(one, moved, np.array([label]))[0, label]) for one in modes)
    return TrueClassGradient(p_true, right, posted)


@np.errstate(all="ignore")
def log_of_zero(z: Floats, label: int) -> LogZero:
    """Let one logit lie `UNDERFLOW` under the largest, the others at most 20, so that it alone underflows."""
    wrong = np.array(z)
    wrong[label] = -np.inf
    wrong = np.maximum(wrong - wrong.max(), -20)
    right = wrong.copy()
    right[wrong.argmax()], right[label], wrong[label] = -UNDERFLOW, 0, -UNDERFLOW
    labels, rows = np.array([label]), wrong.astype(np.float32)[np.newaxis]
    homework = OneHotMode(LossConfig("homework"), len(z), 1, np.float32)
    ways: dict[str, LossMode | Textbook] = {
        "fused": mode_to_explain("fused", len(z), 1, np.float32),
        "separate": mode_to_explain("separate", len(z), 1, np.float32),
        "homework": homework,
        "textbook": Textbook(),
    }
    return LogZero(
        truth=float(reference_cross_entropy(wrong[np.newaxis], labels).losses[0]),
        losses={name: way.forward(rows.copy(), labels) for name, way in ways.items()},
        gradients={name: float(way.backward()[0, label]) for name, way in ways.items()},
        homework_right=homework.forward(right.astype(np.float32)[np.newaxis], labels),
    )


def mode_to_explain(name: str, classes: int, max_batch: int, dtype: DTypeLike = np.float64) -> LossMode:
    """Make a loss mode, without label smoothing."""
    smooth = name in ("fused", "separate")
    config = SoftmaxCrossEntropyConfig(name=name, label_smoothing=0.0) if smooth else LossConfig(name=name)
    return LossMode(config, classes, max_batch, dtype)


def logits_gradient(mode: LossMode, logits: Floats, labels: NDArray[np.intp]) -> Floats:
    """Return a mode's dL/dz (N, C)."""
    mode.forward(logits, labels)
    return np.array(mode.backward(), np.float64)


def largest_error(one: Floats, other: Floats) -> float:
    """Return the largest difference between two arrays' entries."""
    return float(np.abs(one - other).max())


def jacobian_by_differences(function: Callable[[Array], Array], z: Floats) -> Floats:
    """Return d function_i / d z_j by moving one entry of z at a time; (C,) if the function has a single output."""
    columns = []
    for step in DIFFERENCE_STEP * np.eye(len(z)):
        columns.append((function(z + step) - function(z - step)) / (2 * DIFFERENCE_STEP))
    return np.asarray(np.stack(columns, axis=-1).squeeze(), np.float64)
