"""The lecture's derivation: from the logits to p − t, and what measures it."""

import math

import numpy as np

from mnist_trainer.analysis.explanation.numbers import DIFFERENCE_STEP, Explanation, largest_error
from mnist_trainer.analysis.explanation.writing import (
    BY_DIFFERENCES,
    ROUNDING,
    SEEN_FROM,
    VISIBLE,
    Sections,
    claim,
    class_table,
    column,
    equality,
    escaped,
    formula_block,
    number,
    order_of_magnitude,
    plain,
    probability_by_hand,
    product_by_hand,
    short_names,
    shown_classes,
    to_within,
)
from mnist_trainer.kernels.arrays import probability_floor

FLOOR = probability_floor(np.dtype(np.float64))


def derivation(e: Explanation) -> Sections:
    """Return the derivation's sections."""
    return {
        "The logits z: what the network's last layer says": [
            "A score for each class, of any size and sign, rounded here to three decimals, large ones to six digits, "
            "so that you can follow with a calculator. The question of this lecture is dL/dz: how the loss answers "
            "when one of them moves.",
            class_table(e, {"z": column(e.subject.logits, decimals=3)}),
        ],
        "The probabilities p = softmax(z)": [
            formula_block("p_i = e^z_i / Σ_j e^z_j"),
            class_table(e, {"p": column(e.p, signed=False)}),
            "Every p_i depends on every z_j, since all of them stand in the sum below the line. Keep this in mind for "
            "the Jacobian.",
            *floor_remark(e),
        ],
        "The loss: cross-entropy": loss_section(e),
        "The derivative of the loss with respect to p: dL/dp = −t/p": [
            class_table(e, {"dL/dp": column(e.dp)}),
            f"The loss reads p of the true class alone: {reciprocal(e)} there, 0 at every other class. This is the "
            "derivative of cross-entropy, all of it, and it is not p − t.",
        ],
        f"The derivative of softmax: the Jacobian J, {len(e.p)}×{len(e.p)}": jacobian_section(e),
        "The chain rule: multiply them": product_section(e),
        "The fused backward: p − t": fused_section(e),
        "A judge who knows no calculus": [
            f"Move one logit by ±{DIFFERENCE_STEP:.5f}, compute the loss both times, divide the difference by "
            f"{2 * DIFFERENCE_STEP:.5f}:",
            class_table(e, {"measured": column(e.numeric), "p − t": column(e.p_minus_t)}),
            measured(e, e.differences["finite_differences"], "measured and derived"),
        ],
    }


def floor_remark(e: Explanation) -> list[str]:
    """Say which probabilities are too small for what follows."""
    held = int((e.p <= FLOOR).sum())
    if not held:
        return []
    return [f"Of {len(e.p)} probabilities {held} would be under 1e-300: the node `Softmax` holds them there."]


def loss_section(e: Explanation) -> list[str]:
    """Show L = −log p_true, of one node and of two."""
    p_true, difference = e.p[e.subject.label], abs(e.loss - e.fused_loss)
    name, loss = short_names(e)[e.subject.label], plain(e.loss)
    p_shown = probability_by_hand(e, loss, lambda p: plain(-math.log(p)))
    same = difference <= ROUNDING * max(1, abs(e.loss))
    said = [
        formula_block(f"L = −Σ_i t_i log p_i = −log p({name}) = −log {p_shown} ≈ {loss}"),
        "The target t is 1 at the true class and 0 elsewhere, so one term is left of the sum.",
        claim(
            same,
            "the loss of the fused node `SoftmaxLoss`, which goes from z to L in one step "
            f"({plain(e.fused_loss)}; difference {order_of_magnitude(difference)})",
        ),
    ]
    if p_true <= FLOOR:
        said.append("The fused one is the true loss. The other is capped: p of the true class is held at 1e-300.")
    return said


def reciprocal(e: Explanation) -> str:
    """Write dL/dp at the true class."""
    result = number(e.dp[e.subject.label])
    return f"−1/{probability_by_hand(e, result, lambda p: number(-1 / p))} ≈ {result}"


def jacobian_section(e: Explanation) -> list[str]:
    """Show J, and how much of it lies beside the diagonal."""
    names, shown, classes = short_names(e), shown_classes(e), len(e.p)
    lines = [f"{'':8}" + "".join(f"{names[j]:>7}" for j in shown)]
    for i in shown:
        mark = " true" if i == e.subject.label and len(names[i]) < 3 else ""
        lines.append(f"{names[i] + mark:<8}" + "".join(f"{jacobian_entry(e.jacobian[i, j]):>7}" for j in shown))
    beside = e.jacobian[~np.eye(classes, dtype=bool)]
    seen = int((np.abs(beside) >= VISIBLE).sum())
    share = f"{seen:,} are" if seen != 1 else "1 is"
    most = number(beside[np.abs(beside).argmax()])
    return [
        formula_block("J_ij = ∂p_i/∂z_j = p_i (δ_ij − p_j)", "p_i (1 − p_i) on the diagonal, −p_i p_j elsewhere"),
        f"Row i, column j, rounded (≈0: under {SEEN_FROM} in size):",
        "\n".join(["```text", *lines, "```"]),
        f"Row i says how p_i answers to each of the {classes} logits: it rises with its own (the diagonal) and falls "
        "with every other. What one class wins the others lose, so every column sums to 0. Every row does too: the "
        "same number added to all logits changes no p. (Before rounding, the largest of these sums is "
        f"{order_of_magnitude(max(float(np.abs(e.jacobian.sum(axis=axis)).max()) for axis in (0, 1)))}.)",
        f"The diagonal is {classes} of these {classes**2:,} numbers. The other {len(beside):,} are derivatives just as "
        f"real. Of them {share} at least {SEEN_FROM} in size here; the largest in size is {most}.",
        measured(
            e,
            largest_error(e.jacobian, e.numeric_jacobian),
            f"all {classes**2:,} numbers, and what every p is seen to do when a logit moves by ±{DIFFERENCE_STEP:.5f}",
        ),
    ]


def jacobian_entry(value: float) -> str:
    """Write an entry of a matrix in six characters: of what no one could read, that it isn't quite 0."""
    if value and abs(value) < VISIBLE:
        return "≈0"
    return number(value, decimals=3)


def product_section(e: Explanation) -> list[str]:
    """Show Jᵀ · dL/dp with and without J."""
    label, rival, names = e.subject.label, e.rival, short_names(e)
    true = names[label]

    def term(j: int) -> tuple[str, str]:
        return (
            f"dL/dz({names[j]}) = dL/dp({true}) · J({true}, {names[j]})",
            f"       ≈ {product_by_hand(e, j)}",
        )

    return [
        formula_block("dL/dz_j = Σ_i dL/dp_i · ∂p_i/∂z_j,   for all j at once Jᵀ·dL/dp"),
        class_table(e, {"Jᵀ·dL/dp": column(e.product), "no J built": column(e.shortcut)}),
        "Only the true class adds to the sums, since dL/dp is 0 elsewhere. Two of them by hand:",
        formula_block(*term(label), *term(rival)),
        "The first takes an entry of the diagonal; the second, like that of every class but the true one, an "
        f"entry beside it. With the diagonal alone the class {escaped(e.subject.class_names[rival])} would get 0.",
        "The last column is what the node `Softmax` does in backward: `p * (g - sum(g * p))` with g = dL/dp, here "
        f"with sum(g * p) = {number(float(e.dp @ e.p))}. A vector times the Jacobian, the Jacobian never built.",
        equality(largest_error(e.product, e.shortcut), ROUNDING, "with J and without"),
    ]


def fused_section(e: Explanation) -> list[str]:
    """Show p − t."""
    return [
        class_table(
            e,
            {
                "p": column(e.p, signed=False),
                "t": column(e.targets, signed=False, decimals=0),
                "p − t": column(e.p_minus_t),
                "fused node": column(e.fused),
                "Jᵀ·dL/dp": column(e.product),
            },
        ),
        equality(
            max(e.differences["jacobian_product"], e.differences["fused"]),
            ROUNDING,
            "the last three columns: p − t, the node `SoftmaxLoss`, and the product of the chain rule",
        ),
        f"Why: of the Jacobian only the row of the true class, call it y (here {escaped(true_name(e))}), is used, and "
        "dL/dp_y cancels its p_y:",
        formula_block("dL/dz_j = (−1/p_y) · p_y (δ_yj − p_j) = p_j − δ_yj = p_j − t_j"),
        "So p − t is not cross-entropy's derivative with softmax's left out. It is both, multiplied out. p − t "
        "contains the derivative of softmax; what the formula saves in backward is the division by p, the "
        "multiplications by p, and the sum Σ_i dL/dp_i p_i.",
    ]


def measured(e: Explanation, difference: float, text: str) -> str:
    """Say whether a derivative is what differences see; the larger a loss, the more its own rounding hides."""
    bound = BY_DIFFERENCES + ROUNDING * max(1, float(np.ptp(e.subject.logits))) / DIFFERENCE_STEP
    return equality(difference, bound, f"{text}, {to_within(bound)}")


def true_name(e: Explanation) -> str:
    """Return the true class's name."""
    return e.subject.class_names[e.subject.label]
