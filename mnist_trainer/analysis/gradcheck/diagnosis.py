"""Which known mistake a wrong derivative is, in words: by its numbers, whoever wrote it and whatever it is called.

u is the upstream gradient, N the batch size; dp = dL/dp is what a softmax layer's backward is given.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mnist_trainer.analysis.gradcheck.differences import Measured
from mnist_trainer.analysis.reference import reference_softmax
from mnist_trainer.kernels.arrays import Array

NEAR = 1e-6
SOFTMAX_RIGHT = "right is dL/dz = p ⊙ (dp − Σ_c dp_c p_c), the Jacobian diag(p) − p pᵀ applied to dp"


@dataclass(frozen=True, eq=False)
class LayerCase:
    """What a layer did with x (N, *in_shape) and dy; `name` is the derivative's: x, or a parameter's."""

    node: str
    name: str
    x: Array
    y: Array
    dy: Array
    measured: Measured


def explain_layer(case: LayerCase) -> str:
    """Say what a layer's wrong derivative is."""
    found = case.measured.analytic
    of_x = case.name == "x"
    if of_x and looks_like_softmax(case.x, case.y):
        for candidate, words in wrong_softmaxes(case.y, case.dy):
            if near_enough(found, candidate):
                return f"{case.node}: the backward of softmax {words}; {SOFTMAX_RIGHT}"
    what = f"{case.node}: backward's dL/d{'x' if of_x else ' ' + case.name}"
    if of_x and case.dy.shape == case.x.shape and near_enough(found, case.dy):
        return f"{what} is dL/dy, passed through unchanged: the layer's own derivative is missing"
    return f"{what} {explain_in_general(case.measured, len(case.x), 'layer')}"


def wrong_softmaxes(p: Array, dp: Array) -> Iterator[tuple[Array, str]]:
    """List the known wrong backwards of p = softmax(z) (N, C), each with its words."""
    n, classes = p.shape
    weighted = (dp * p).sum(axis=1, keepdims=True)
    if n == classes:
        yield (
            dp * (p * (np.eye(n) - p)),
            "is dp ⊙ (p ⊙ (I_N − p)): the identity has the size of the batch where the number of classes belongs (it "
            "runs here since N = C), and it is multiplied entry by entry, where each row's Jacobian has to be applied "
            "to that row's dp",
        )
    yield (
        dp * p * (1 - p),
        "keeps only the diagonal of the Jacobian, dp ⊙ p(1 − p): the off-diagonal terms −p_i p_j are missing",
    )
    yield p * (1 - p), "is p(1 − p): only the Jacobian's diagonal, and dp is not in it"
    yield dp * p, "is dp ⊙ p: the term −p Σ_c dp_c p_c is missing"
    yield dp, "passes dp through unchanged: the derivative of softmax is missing"
    yield -p * (dp - weighted), "has the wrong sign"
    yield p * (dp - (dp * p).sum()), "sums over the whole batch where each row has a sum of its own"
    yield p * (dp - dp.sum(axis=1, keepdims=True)), "subtracts Σ_c dp_c where Σ_c dp_c p_c belongs"
    yield p * dp - weighted, "is p ⊙ dp − Σ_c dp_c p_c: the sum has to be multiplied by p, too"


@np.errstate(over="ignore", invalid="ignore")
def explain_in_general(measured: Measured, n: int, kind: str) -> str:
    """Say how a wrong gradient is related to the measured one, whatever the function is."""
    found, numeric = measured.analytic.reshape(-1)[measured.indices], measured.numeric
    if not np.isfinite(found).all():
        return "is not finite"
    if found.size and not measured.analytic.any():
        return f"is 0 everywhere, where differences find {numeric[np.abs(numeric).argmax()]:.3g}"
    square = float(numeric @ numeric)
    factor = float(found @ numeric) / square if square else 0.0
    if square and near_enough(found, factor * numeric):
        return explain_factor(factor, n, kind)
    shape = measured.analytic.shape
    if len(shape) == 2 and shape[0] == shape[1]:
        transposed = np.ascontiguousarray(measured.analytic.T).reshape(-1)[measured.indices]
        if near_enough(transposed, numeric):
            return "is the transpose of the derivative"
    zero = (found == 0) & (np.abs(numeric) > NEAR * np.abs(numeric).max(initial=0))
    if zero.any() and near_enough(found[~zero], numeric[~zero]):
        return f"is 0 in places where it should not be ({zero.sum()} of {zero.size} entries looked at), else right"
    entry, claimed, by_differences = measured.worst
    place = "along a random direction" if entry is None else f"at entry {entry}"
    return f"is not the derivative: {place} it says {claimed:.4g}, and differences say {by_differences:.4g}"


def explain_factor(factor: float, n: int, kind: str) -> str:
    """Say what a gradient that is right but for a factor may have been meant as."""
    if abs(factor + 1) < NEAR:
        return "has the wrong sign"
    if n > 1 and abs(factor - n) < NEAR * n:
        also = ": the gradient of the sum over the batch, not of the mean; the division by N is missing"
        return f"is N times too large (N = {n})" + (also if kind == "loss" else "")
    if n > 1 and abs(factor * n - 1) < NEAR:
        also = ": it is divided by the batch size, which the loss has done already (1/N is in dL/dy)"
        return f"is N times too small (N = {n})" + (also if kind == "layer" else ": it is divided by N twice")
    return f"is {factor:.5g} times the derivative"


def looks_like_softmax(x: Array, y: Array) -> bool:
    """Tell whether y is softmax(x), in numbers."""
    return x.ndim == 2 and x.shape == y.shape and near_enough(y, reference_softmax(x))


def agrees(measured: Measured, candidate: Array) -> bool:
    """Tell whether differences found what `candidate` says."""
    return near_enough(measured.numeric, candidate.reshape(-1)[measured.indices])


def near_enough(one: Array, other: Array) -> bool:
    """Tell whether two arrays are the same but for what differences and rounding leave."""
    norm = float(np.linalg.norm(other))
    return one.shape == other.shape and norm > 0 and float(np.linalg.norm(one - other)) <= NEAR * norm
