"""The question answered point by point."""

import math

import numpy as np

from mnist_trainer.analysis.explanation.numbers import UNDERFLOW, Explanation, largest_error
from mnist_trainer.analysis.explanation.writing import (
    ROUNDING,
    VISIBLE,
    code_block,
    escaped,
    number,
    order_of_magnitude,
    plain,
    product_by_hand,
    short_names,
    to_within,
    up_to,
)
from mnist_trainer.kernels.arrays import probability_floor

FLOOR = f"{probability_floor(np.dtype(np.float32)):.0e}"
SOURCE = (
    "The question: “How to apply the gradient of softmax in backprop”, Artificial Intelligence Stack Exchange, "
    "March 2018 (CC BY-SA), by SaldaVonSchwartz; the comment by harveyslash, July 2018."
)
CORRECTION = (
    "Softmax and cross-entropy as two nodes is a fine choice. Each then takes the derivative with respect to its own "
    "input, and `p - t` appears in neither; it comes out when the two are run one after the other:"
)
CORRECTED = """\
class SoftMax:  # in _back; self.g is dL/dp, (batch, classes)
    x.g += self.data * (self.g - (self.g * self.data).sum(1, keepdims=True))

class LCE:  # in _back; self.g is 1
    p.g += self.g * -t.data / p.data / t.data.shape[0]
"""
RAISED = (
    f"In float32 raise SoftMax's data to at least {FLOOR} first, as the node `Softmax` of this program does: point 10 "
    "shows what becomes of a p that underflows."
)


def answers_section(e: Explanation) -> list[str]:
    """Answer the question by name."""
    said = [
        f"**{index}.** {sign} *{quote}*\\\n{answer}" for index, (sign, quote, answer) in enumerate(points(e), start=1)
    ]
    return [
        "What was asked, answered and commented, in its own words, with this image's numbers (✓ right, ✗ wrong):",
        *said,
        CORRECTION,
        code_block(CORRECTED),
        RAISED,
        SOURCE,
    ]


def points(e: Explanation) -> list[tuple[str, str, str]]:
    """Return for each of the eleven points whether it is right, whose words these are, and the answer."""
    y, r, names = e.subject.label, e.rival, short_names(e)
    true, other = escaped(names[y]), escaped(names[r])
    sums = float(np.abs(e.jacobian.sum(axis=0)).max())
    return [
        (
            "✗",
            "“The homework implementation is indeed missing the derivative of softmax for the backprop pass.”",
            f"It is multiplied in: dL/dp({true}) · J({true}, {other}) ≈ {product_by_hand(e, r)}, and p({other}) − 0 is "
            f"{number(e.p_minus_t[r])}. "
            "(The first finding of that answer, that separate nodes are valid too, is right.)",
        ),
        (
            "✓",
            "“… I need a derivative that results in a tensor of the same size as the input to softmax, in this case, "
            "batch\\_size x 10.”",
            f"You get it: backward asks for the product of dL/dp with J, {len(e.p)}×{len(e.p)} for each image, not for "
            f"J. It has {len(e.p)} numbers for each of {e.batch.images:,}. Its name is vector-Jacobian product.",
        ),
        ("✗", "`np.eye(self.data.shape[0])`", identity_answer(e)),
        ("✗", "“x_i(1 − x_j) if i = j else −x_i x_j”".replace("_", "\\_"), logits_answer(e)),
        (
            "✗",
            "“… my cross entropy loss (LCE) has the same derivative as the one in the hw, because that is the "
            "derivative for the loss itself, without getting into the softmax yet.”",
            "That one, (p − t)/N, is with respect to the logits. With respect to p it is −t/(N p): for N = 1 it is "
            f"{number(e.dp[y])} at {true} and 0 at {other}, not {number(e.p_minus_t[y])} and {number(e.p_minus_t[r])}.",
        ),
        (
            "✓" if largest_error(e.dt, -np.log(e.p)) <= ROUNDING * max(1, float(np.abs(e.dt).max())) else "✗",
            "`t.g += self.g * -np.log(p.data) / t.data.shape[0]`",
            f"The targets are an input, too, and −log p / N is the derivative with respect to them: {plain(e.dt[y])} "
            f"at {true}, {plain(e.dt[r])} at {other}, from the node `CrossEntropy`.",
        ),
        (
            "✗",
            "`self.data * (1. - self.data)`",
            f"The diagonal of J only. Each p depends on every z: J({other}, {true}) is {number(e.jacobian[r, y])}"
            f"{'' if abs(e.jacobian[r, y]) >= VISIBLE else ' (small, for the network is sure here)'}, and stands "
            "beside it.",
        ),
        (
            "✓",
            "“You also have to compute smax(x_i)/x_j ,where j ≠ i and sum all the individual gradients up.”".replace(
                "_", "\\_"
            ),
            f"Right, if each is weighted by dL/dp_i: then the sum at {true} is {number(e.product[y])}. The comment "
            f"leaves the weights out; without them a column of J sums to 0 ({to_within(sums, 'here ')}).".replace(
                "_", "\\_"
            ),
        ),
        ("✓", "`input - np.max(input, axis=1, keepdims=True)`", shift_answer(e)),
        ("✗ only where p underflows:", "`np.log(softmax)`, `np.log(p.data)`", log_zero_answer(e)),
        (
            "✓",
            "“The homework implementation combines softmax with cross entropy loss as a matter of choice, while my "
            "choice of keeping softmax separate as an activation function is also valid.”",
            f"In mathematics, yes, and both are fine. In float32 it also matters how each is written: at a "
            f"gap of {UNDERFLOW:.0f}, that of point 10, two nodes as in a textbook have a loss of "
            f"{shown(e.log_zero.losses['textbook'])}; log-sum-exp in one node, which takes no log of p, says "
            f"{shown(e.log_zero.losses['fused'])}. `python -m mnist_trainer task=compare` shows where they part, in "
            "`parting_of_ways.png`.",
        ),
    ]


def identity_answer(e: Explanation) -> str:
    """Say whose size δ_ij has, and what becomes of the batch's."""
    n, classes = e.batch.images, e.batch.classes
    said = f"`shape[0]` counts the images, {n:,}. δ_ij, the I of D_j S_i = S_i (I − S_j), is an entry of an identity "
    said += f"over the classes, for each image: `np.eye({classes})`. "
    if e.batch.question_error is not None:
        said += f"({n}, {classes}) and ({n}, {n}) don't go together, so it can't run."
    elif n == 1:
        off = up_to(e.batch.question_difference or 0)
        said += f"For one image, `np.eye(1) - p` is 1 − p in every column, off by {off}."
    else:
        said += f"With {n} images of {n} classes it runs, off by {up_to(e.batch.question_difference or 0)}."
    said += " The identity over the classes needs an axis more: J is "
    said += f"`p[:, :, None] * (np.eye({classes}) - p[:, None, :])`, ({n}, {classes}, {classes})."
    return said.replace("_", "\\_")


def logits_answer(e: Explanation) -> str:
    """Put x where smax(x) belongs, and look at the entry that suffers most."""
    z = e.subject.logits
    posted = np.diag(z) - np.outer(z, z)
    i, j = np.unravel_index(np.abs(posted - e.jacobian).argmax(), posted.shape)
    names = short_names(e)
    where = f"J({escaped(names[i])}, {escaped(names[j])})"
    said = f"Each x must be smax(x), a probability. With the logits, as it stands, {where} would be "
    said += f"{number(posted[i, j])}; it is {number(e.jacobian[i, j])}."
    if np.abs(posted - e.jacobian).max() < VISIBLE:
        said += " (Here z happens to be its own softmax.)"
    return said


def shift_answer(e: Explanation) -> str:
    """Say what the subtracted maximum changes, and what not."""
    said = (
        f"Subtracting the maximum, {number(float(e.subject.logits.max()), decimals=3)} here, changes neither p nor the "
        "gradient, "
    )
    said += "since every row of J sums to 0. It keeps e^z finite: "
    if np.isfinite(e.unshifted).all():
        difference = order_of_magnitude(largest_error(e.unshifted, e.p))
        return (
            f"{said}here one can do without it (p differs by {difference}); with a logit above 709.8 not, in float64."
        )
    too = "large" if e.subject.logits.max() > 0 else "small"
    return f"{said}without it, e^z is too {too} for float64 here, and p is nan."


def log_zero_answer(e: Explanation) -> str:
    """Say what each way returns where p underflows."""
    zero = e.log_zero
    true = escaped(short_names(e)[e.subject.label])
    said = f"In float32 e^−{UNDERFLOW:.0f} is 0. With {true} that far under the largest logit, L is "
    said += f"{plain(zero.truth)}. "
    words = {
        "fused": "`SoftmaxLoss`",
        "separate": f"`Softmax` (p at least {FLOOR}) and `CrossEntropy`",
        "homework": "the homework's node",
        "textbook": "two nodes as in a textbook",
    }
    said += "; ".join(
        f"{words[way]}: {shown(zero.losses[way])}, dL/dz({true}) {shown(zero.gradients[way])}" for way in words
    )
    return f"{said}. And for a wrong class that far under, the homework's L is {shown(zero.homework_right)}: 0 · log 0."


def shown(value: float) -> str:
    """Write a number that may be inf or nan."""
    return plain(value) if math.isfinite(value) else str(value).replace("-", "−")
