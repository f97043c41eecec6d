"""The lecture's end: why the result is batch × classes, and the question answered point by point."""

import math

import numpy as np

from mnist_trainer.analysis.explanation.numbers import UNDERFLOW, Explanation, largest_error
from mnist_trainer.analysis.explanation.writing import (
    ROUNDING,
    VISIBLE,
    claim,
    code_block,
    equality,
    escaped,
    formula_block,
    memory_size,
    number,
    order_of_magnitude,
    plain,
    short_names,
)
from mnist_trainer.words import table

SOURCE = (
    "The question: “How to apply the gradient of softmax in backprop”, Artificial Intelligence Stack Exchange, "
    "March 2018 (CC BY-SA), by SaldaVonSchwartz; the comment by harveyslash, July 2018."
)
CORRECTED = """\
class SoftMax:  # in _back; self.g is dL/dp, (batch, classes)
    x.g += self.data * (self.g - (self.g * self.data).sum(1, keepdims=True))

class LCE:  # in _back; self.g is 1
    p.g += self.g * -t.data / p.data / t.data.shape[0]
"""


def batch_section(e: Explanation) -> list[str]:
    """Show why the result is (N, C)."""
    b = e.batch
    n, classes = b.images, b.classes
    all_images = (n, classes, n, classes)
    jacobians = f"{n:,} Jacobians" if n > 1 else "1 Jacobian"
    rows = [
        ("dL/dp, which backward takes, and dL/dz", (n, classes)),
        (f"every p by its own image's z: {jacobians}", (n, classes, classes)),
        ("every p by every image's z", all_images),
    ]
    said = [
        f"For a batch of {n:,} the derivative of all outputs by all inputs has the shape {all_images}. But a row of "
        f"p reads its own row of z only, so all that isn't 0 is one Jacobian {classes}×{classes} for each image. And a "
        "Jacobian isn't what backward returns: the chain rule multiplies each with its image's row of dL/dp, which "
        f"sums i away. What is left is a row of {classes} for each image, {n:,} × {classes}: the size of the input.",
        formula_block("einsum('nij,ni->nj', J, dL/dp)   (N, C, C) and (N, C) to (N, C)"),
        "\n".join(
            table(
                ["array", "shape", "float64"],
                [[what, str(shape), memory_size(8 * math.prod(shape))] for what, shape in rows],
            )
        ),
        equality(
            b.difference, ROUNDING, f"{jacobians} built and contracted, and the node `Softmax`, which builds none"
        ),
        equality(b.fused_difference, ROUNDING, f"and (p − t)/{n}, from the node `SoftmaxLoss`, as the loss is a mean"),
    ]
    if b.question_error is not None:
        said.append(claim(False, b.question_error, word="the question's own node"))
    elif b.question_difference is not None:
        runs = f"the question's own softmax node, with `np.eye({n})`, runs on a batch of {n}; right or not"
        said.append(equality(b.question_difference, ROUNDING, runs))
    return said


def answers_section(e: Explanation) -> list[str]:
    """Answer the question by name."""
    said = [
        f"**{index}.** {sign} *{quote}*\\\n{answer}" for index, (sign, quote, answer) in enumerate(points(e), start=1)
    ]
    return [
        "What was asked, answered and commented, in its own words, with this image's numbers (✓ right, ✗ wrong):",
        *said,
        "Softmax and cross-entropy as two nodes is a fine choice. Each then takes the derivative with respect to its "
        "own input, and `p - t` appears in neither; it comes out when the two are run one after the other:",
        code_block(CORRECTED),
        SOURCE,
    ]


def points(e: Explanation) -> list[tuple[str, str, str]]:
    """Return for each of the eleven points whether it is right, whose words these are, and the answer."""
    y, r, names = e.subject.label, e.rival, short_names(e)
    true, other = escaped(names[y]), escaped(names[r])
    sums = order_of_magnitude(float(np.abs(e.jacobian.sum(axis=0)).max()))
    return [
        (
            "✗",
            "“The homework implementation is indeed missing the derivative of softmax.”",
            f"It is multiplied in: dL/dp({true}) · J({true}, {other}) = ({number(e.dp[y])}) · "
            f"({number(e.jacobian[y, r])}) ≈ {number(e.product[r])}, and p({other}) − 0 is {number(e.p_minus_t[r])}. "
            "(The first finding of that answer, that separate nodes are valid too, is right.)",
        ),
        (
            "✓",
            "“I need a derivative that results in a tensor of the same size as the input.”",
            f"You get it: backward asks for the product of dL/dp with J, {len(e.p)}×{len(e.p)} for each image, not for "
            f"J. It has {len(e.p)} numbers for each of {e.batch.images:,}. Its name is vector-Jacobian product.",
        ),
        ("✗", "`np.eye(self.data.shape[0])`", identity_answer(e)),
        ("✗", "“x_i(1 − x_j) if i = j else −x_i x_j”".replace("_", "\\_"), logits_answer(e)),
        (
            "✗",
            "“(p − t)/N … is the derivative for the loss itself, without getting into the softmax yet.”",
            f"That is the derivative with respect to the logits. With respect to p it is −t/(N p): for N = 1 "
            f"{number(e.dp[y])} at {true} and 0 at {other}, not {number(e.p_minus_t[y])} and {number(e.p_minus_t[r])}.",
        ),
        (
            "✓" if largest_error(e.dt, -np.log(e.p)) <= ROUNDING * max(1, float(np.abs(e.dt).max())) else "✗",
            "`t.g += self.g * -np.log(p.data) / t.data.shape[0]`",
            f"The targets are an input, too, and −log p / N is the derivative by them: {plain(e.dt[y])} at {true}, "
            f"{plain(e.dt[r])} at {other}, from the node `CrossEntropy`.",
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
            "“You also have to compute smax(x_i)/x_j, where j ≠ i and sum all the individual gradients up.”".replace(
                "_", "\\_"
            ),
            f"Right, if each is weighted by dL/dp_i: then the sum at {true} is {number(e.product[y])}. The comment "
            f"leaves the weights out; without them a column of J sums to 0 (here all but for {sums}).".replace(
                "_", "\\_"
            ),
        ),
        ("✓", "`input - np.max(input, axis=1, keepdims=True)`", shift_answer(e)),
        ("✗", "`np.log(softmax)`, `np.log(p.data)`", log_zero_answer(e)),
        (
            "✗",
            "“The homework implementation combines softmax with cross entropy loss as a matter of choice.”",
            "For the mathematics, yes. In float32 two nodes as in a textbook end there with a loss of "
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
        said += f"({n:,}, {classes}) and ({n:,}, {n:,}) don't go together, so it can't run."
    elif n == 1:
        said += f"For one image it becomes 1 − p, off by up to {plain(e.batch.question_difference or 0)}."
    else:
        said += f"With {n} images of {n} classes it runs, off by up to {plain(e.batch.question_difference or 0)}."
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
        f"The maximum, {number(float(e.subject.logits.max()), decimals=3)} here, changes neither p nor the gradient, "
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
    said = f"In float32 e^−{UNDERFLOW:.0f} is 0. With {escaped(short_names(e)[e.subject.label])} that far under the "
    said += f"largest logit, L is {plain(zero.truth)}. "
    words = {
        "fused": "`SoftmaxLoss`",
        "separate": "`Softmax` (p at least 1e-30) and `CrossEntropy`",
        "homework": "the homework's node",
        "textbook": "two nodes as in a textbook",
    }
    said += "; ".join(
        f"{words[way]}: {shown(zero.losses[way])}, gradient {shown(zero.gradients[way])}" for way in words
    )
    return f"{said}. And for a wrong class that far under, the homework's L is {shown(zero.homework_right)}: 0 · log 0."


def shown(value: float) -> str:
    """Write a number that may be inf or nan."""
    return plain(value) if math.isfinite(value) else str(value).replace("-", "−")
