"""The lecture's end: why the result is batch × classes, and the question answered in its own words."""

import math

from mnist_trainer.analysis.explanation.blocks import (
    ROUNDING,
    Block,
    Cell,
    Code,
    Equality,
    Formula,
    Reply,
    Section,
    Table,
    amount,
    equality,
    number,
    order,
)
from mnist_trainer.analysis.explanation.numbers import Explanation

SOURCE = (
    "The question: “How to apply the gradient of softmax in backprop”, Artificial Intelligence Stack Exchange, "
    "March 2018 (CC BY-SA), by SaldaVonSchwartz; the comment by harveyslash, July 2018."
)
CORRECTED = """\
class SoftMax:  # in _back; self.g is dL/dp, (batch, 10)
    x.g += self.data * (self.g - np.sum(self.g * self.data, axis=1, keepdims=True))

class LCE:  # in _back; self.g is 1
    p.g += self.g * -t.data / p.data / t.data.shape[0]
"""


def batch(explanation: Explanation) -> Section:
    """Show why the result is (N, C)."""
    b = explanation.batch
    n, classes = b.images, b.classes
    one_image, all_images = (n, classes, classes), (n, classes, n, classes)
    jacobians = f"{n:,} Jacobians" if n > 1 else "1 Jacobian"
    rows = [
        ("what backward takes, dL/dp, and returns, dL/dz", (n, classes)),
        (f"every p by its own image's z: {jacobians}", one_image),
        ("every p by every image's z: 0 where two images meet", all_images),
    ]
    blocks: list[Block] = [
        f"For a batch of {n:,} the derivative of all outputs by all inputs has the shape {all_images}. But a row of "
        f"p reads its own row of z only, so all that isn't 0 is one Jacobian {classes}×{classes} for each image. And a "
        "Jacobian isn't what backward returns: the chain rule multiplies each with its image's row of dL/dp, which "
        f"sums i away. What is left is a row of {classes} for each image, {n:,} × {classes}: the size of the input.",
        Formula("einsum('nij,ni->nj', J, dL/dp)   (N, C, C) and (N, C) to (N, C)"),
        Table(
            [[Cell("array"), Cell("shape"), Cell("float64")]],
            [[Cell(what), Cell(str(shape)), Cell(amount(8 * math.prod(shape)))] for what, shape in rows],
        ),
        equality(
            b.difference, ROUNDING, f"{jacobians} built and contracted, and the node `Softmax`, which builds none"
        ),
        Equality(
            b.fused_difference <= ROUNDING,
            f"and (p − t)/{n}, from the node `SoftmaxLoss` (largest difference {order(b.fused_difference)}; the loss "
            "is the mean over the batch, hence the 1/N)",
        ),
    ]
    if b.question_error is not None:
        blocks.append(Equality(False, b.question_error, word="the question's own node"))
    elif b.question_difference is not None:
        blocks.append(
            Equality(
                b.question_difference <= ROUNDING,
                f"the question's own softmax node, with `np.eye({n})`, runs on a batch of {n}; its largest difference "
                f"to the right gradient is {b.question_difference:.2g}",
            )
        )
    return Section(f"Why the result is batch × {classes}", blocks)


def answers(explanation: Explanation) -> Section:
    """Answer the question by name."""
    return Section("The question, answered", [*replies(explanation), *corrected_nodes(), SOURCE])


def replies(explanation: Explanation) -> list[Reply]:
    """Answer what was asked, claimed and commented, with this image's numbers."""
    e = explanation
    label, rival = e.subject.label, e.rival
    true, other = e.subject.class_names[label], e.subject.class_names[rival]
    return [
        Reply(
            "the question",
            "Shouldn't it also take the derivative of softmax with respect to the input to softmax?",
            None,
            "It does. p − t is what is left when dL/dp = −t/p is multiplied with the Jacobian of softmax (steps 7 and "
            "8); the p of one cancels the 1/p of the other. That is also why the homework passes its tests.",
        ),
        Reply(
            "the question",
            "it seems to only do the derivative of cross entropy and not of softmax",
            False,
            f"The derivative of cross-entropy alone is −t/p: {number(e.dp[label])} at the class {true}, 0 at {other} "
            f"and all others (step 5). p − t is {number(e.p_minus_t[label])} at {true} and "
            f"{number(e.p_minus_t[rival])} at {other}: softmax is in it.",
        ),
        Reply(
            "the question",
            "I need a derivative that results in a tensor of the same size as the input to softmax",
            True,
            "And you get it: backward asks for the product of dL/dp with the Jacobian, not for the Jacobian. The "
            "product has a number for each input (step 11). Its name is vector-Jacobian product.",
        ),
        Reply(
            "the answer",
            "The homework implementation is indeed missing the derivative of softmax",
            False,
            "It misses nothing: finite differences, which know no derivative of anything, measure p − t (step 9).",
        ),
        Reply(
            "the answer",
            "self.data * (1. - self.data)",
            False,
            "This is the diagonal of J, what each logit does to its own p. What it does to the others' is left out, "
            f"and at the class {other} that is all there is: with dL/dp put right, {number(e.diagonal[rival])} instead "
            f"of {number(e.p_minus_t[rival])} (step 10).",
        ),
        Reply(
            "harveyslash's comment",
            "You also have to compute smax(x_i)/x_j, where j ≠ i and sum all the individual gradients up",
            True,
            "That is the sum of step 7, dL/dz_j = Σ_i dL/dp_i · ∂p_i/∂z_j, with the terms i ≠ j that the diagonal "
            "lacks.",
        ),
    ]


def corrected_nodes() -> list[Block]:
    """Put the question's two separate nodes right, in their own words."""
    return [
        "Softmax and cross-entropy as two nodes is a fine choice. Each then takes the derivative with respect to its "
        "own input, and `p - t` appears in neither; it comes out when the two are run one after the other:",
        Code(CORRECTED),
    ]
