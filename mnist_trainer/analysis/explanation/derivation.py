"""The lecture's derivation: from the logits to p − t, and what measures it."""

from mnist_trainer.analysis.explanation.blocks import (
    BY_DIFFERENCES,
    ROUNDING,
    Cell,
    Equality,
    Formula,
    Section,
    class_table,
    entry,
    equality,
    name_of,
    number,
    order,
    short_names,
    shown_classes,
    total,
    vector,
)
from mnist_trainer.analysis.explanation.numbers import Explanation, largest


def logits(explanation: Explanation) -> Section:
    """Z."""
    z = explanation.subject.logits
    _, cells, _ = vector("z", z, decimals=3)
    return Section(
        "The logits z: what the network's last layer says",
        [
            "A score for each class, of any size and sign, rounded here to three decimals, so that you can follow with "
            "a calculator. The question of this lecture is dL/dz: how the loss answers when one of them moves.",
            class_table(explanation, [("z", cells, Cell(""))]),
        ],
    )


def probabilities(explanation: Explanation) -> Section:
    """Show p = softmax(z)."""
    return Section(
        "The probabilities p = softmax(z)",
        [
            Formula("p_i = e^z_i / Σ_j e^z_j"),
            class_table(explanation, [vector("p", explanation.p, signed=False)]),
            "Every p_i depends on every z_j, since all of them stand in the sum below the line. Keep this in mind for "
            "step 6.",
        ],
    )


def loss(explanation: Explanation) -> Section:
    """Show L = −log p_true."""
    e = explanation
    p_true = e.p[e.subject.label]
    difference = abs(e.loss - e.fused_loss)
    return Section(
        "The loss: cross-entropy",
        [
            Formula(f"L = −Σ_i t_i log p_i = −log p({name_of(e)}) = −log {p_true:.4g} = {e.loss:.4f}"),
            "The target t is 1 at the true class and 0 elsewhere, so one term is left of the sum.",
            Equality(
                difference <= ROUNDING * max(1, abs(e.loss)),
                f"the loss of the fused node `SoftmaxLoss`, which goes from z to L in one step (difference "
                f"{order(difference)})",
            ),
        ],
    )


def of_probabilities(explanation: Explanation) -> Section:
    """Show dL/dp = −t/p."""
    e = explanation
    p_true = e.p[e.subject.label]
    return Section(
        "The derivative of the loss with respect to p: dL/dp = −t/p",
        [
            class_table(e, [vector("dL/dp", e.dp)]),
            f"The loss reads p({name_of(e)}) alone: −1/{p_true:.4g} = {number(e.dp[e.subject.label])} there, 0 at "
            "every other class. This is the derivative of cross-entropy, all of it, and it is not p − t.",
        ],
    )


def jacobian(explanation: Explanation) -> Section:
    """Show J."""
    e, names = explanation, short_names(explanation)
    rows = []
    for i in shown_classes(e):
        cells = [Cell(number(v), "diagonal") if i == j else entry(v) for j, v in enumerate(e.jacobian[i])]
        rows.append((f"p({names[i]})" + " true" * (i == e.subject.label), cells, total(e.jacobian[i])))
    classes = len(names)
    return Section(
        f"The derivative of softmax: the Jacobian J, {classes}×{classes}",
        [
            Formula("J_ij = ∂p_i/∂z_j = p_i (δ_ij − p_j):   p_i(1 − p_i) on the diagonal (marked), −p_i p_j elsewhere"),
            class_table(e, rows),
            f"Row i says how p_i answers to each of the {classes} logits. Its own logit raises it (the diagonal, +), "
            "every other logit lowers it (−): what one class wins the others lose, so every row sums to 0. The "
            f"diagonal is {classes} of these {classes * classes} numbers. The other {classes * classes - classes} are "
            "derivatives just as real:",
            equality(
                largest(e.jacobian, e.numeric_jacobian),
                BY_DIFFERENCES,
                f"all {classes * classes} numbers, and what every p is seen to do when a logit moves by ±0.00001",
            ),
        ],
    )


def product(explanation: Explanation) -> Section:
    """Show Jᵀ · dL/dp with and without J."""
    e, label, rival = explanation, explanation.subject.label, explanation.rival

    def term(j: int) -> str:
        return (
            f"dL/dz({name_of(e, j)}) = dL/dp({name_of(e)}) · J({name_of(e)}, {name_of(e, j)}) = "
            f"({number(e.dp[label])}) · ({number(e.jacobian[label, j])}) = {number(e.product[j])}"
        )

    return Section(
        "The chain rule: multiply them",
        [
            Formula("dL/dz_j = Σ_i dL/dp_i · ∂p_i/∂z_j,   for all j at once Jᵀ·dL/dp"),
            class_table(e, [vector("Jᵀ·dL/dp", e.product), vector("no J built", e.shortcut)]),
            f"Only i = {name_of(e)} adds to the sums, since dL/dp is 0 elsewhere. Two of them by hand:",
            Formula(term(label)),
            Formula(term(rival)),
            f"The first takes an entry of the diagonal; the second, like that of every class but the true one, an "
            f"entry beside it. With the diagonal alone the class {name_of(e, rival)} would get 0.",
            "The second row is what the node `Softmax` does in backward: `p * (g - sum(g * p))` with g = dL/dp, here "
            f"with sum(g * p) = {number(float(e.dp @ e.p))}. A vector times the Jacobian, the Jacobian never built.",
            equality(largest(e.product, e.shortcut), ROUNDING, "with J and without"),
        ],
    )


def fused(explanation: Explanation) -> Section:
    """Show p − t."""
    e = explanation
    return Section(
        "The fused backward: p − t",
        [
            class_table(
                e,
                [
                    vector("p", e.p, signed=False),
                    vector("t", e.targets, signed=False),
                    vector("p − t", e.p_minus_t),
                    vector("fused node", e.fused),
                    vector("Jᵀ·dL/dp", e.product),
                ],
            ),
            equality(
                max(e.differences["jacobian_product"], e.differences["fused"]),
                ROUNDING,
                "the last three rows, to the last bits: p − t, the node `SoftmaxLoss`, and the product of step 7",
            ),
            f"Why: of the Jacobian only the row of the true class, call it y (here {name_of(e)}), is used, and dL/dp_y "
            "cancels its p_y:",
            Formula("dL/dz_j = (−1/p_y) · p_y(δ_yj − p_j) = p_j − δ_yj = p_j − t_j"),
            "So p − t is not cross-entropy's derivative with softmax's left out. It is both, multiplied out. The fused "
            "node takes the derivative of softmax; what it saves is the multiplication by p and the division by p.",
        ],
    )


def judge(explanation: Explanation) -> Section:
    """Show the finite differences."""
    e = explanation
    return Section(
        "A judge who knows no calculus",
        [
            "Move one logit by ±0.00001, compute the loss both times, divide the difference by 0.00002:",
            class_table(e, [vector("measured", e.numeric), vector("p − t", e.p_minus_t)]),
            equality(e.differences["finite_differences"], BY_DIFFERENCES, "measured and derived"),
        ],
    )
