"""The lecture's step on what is not equal: the posted answer, and the diagonal alone."""

import math

import numpy as np

from mnist_trainer.analysis.explanation.blocks import (
    Cell,
    Equality,
    Section,
    Table,
    class_table,
    judged,
    name_of,
    number,
)
from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.subject import Floats


def posted_answer(explanation: Explanation) -> Section:
    """Show the posted answer and the diagonal beside the right gradient."""
    e, right = explanation, explanation.p_minus_t
    ratios = np.divide(e.posted, right, out=np.full(len(right), np.nan), where=right != 0)
    factors = [Cell("–" if math.isnan(r) else number(r, signed=False)) for r in ratios]
    rows = [
        judged("p − t", right, right),
        judged("posted", e.posted, right),
        ("factor", factors, Cell("")),
        judged("diagonal", e.diagonal, right),
    ]
    lengths = float(np.linalg.norm(e.posted) * np.linalg.norm(right))
    cosine = float(e.posted @ right) / lengths if lengths else math.nan
    heads = [f"p({name_of(e)})", "right", "posted", "too small by a factor of"]
    falling = [[f"{s.p_true:g}", number(s.right), number(s.posted), times(s.right / s.posted)] for s in e.saturation]
    return Section(
        "The posted answer, and its cousin",
        [
            "The question's author settled for `self.data * (1. - self.data)`, the diagonal of J, after a node that "
            "passes p − t off as dL/dp: `posted` = (p − t) · p(1 − p). With dL/dp put right, and still the diagonal "
            "only, it is `diagonal` = −t/p · p(1 − p). ✓ is right, ✗ is wrong:",
            class_table(e, rows),
            *(
                Equality(np.allclose(v, right, rtol=1e-9, atol=0), complaint(e, n, v))
                for n, v in (("posted", e.posted), ("diagonal", e.diagonal))
            ),
            f"Why `posted` often trains all the same: p(1 − p) is positive, so every sign is right (here the "
            f"cosine of the angle to the right gradient is {cosine:.3f}). But p(1 − p), the `factor`, is at most 1/4, "
            "and goes to 0 as p goes to 0 or 1. Move the true class's logit, so that the network is surer and surer of "
            "a mistake: the right gradient goes to −1, the posted one to 0. The worst mistakes teach least:",
            Table([[Cell(head) for head in heads]], [[Cell(text) for text in row] for row in falling]),
        ],
    )


def complaint(explanation: Explanation, mistake: str, values: Floats) -> str:
    """Say what is wrong with a gradient."""
    right = explanation.p_minus_t
    wrong = ~np.isclose(values, right, rtol=1e-9, atol=0)
    text = f"`{mistake}`: {wrong.sum()} of {len(right)} entries are wrong"
    lost = wrong & (values == 0)
    if lost.any():
        text += f", {lost.sum()} of them 0: no wrong class is ever pushed down"
    small = wrong & (values != 0)
    if small.any():
        factors = right[small] / values[small]
        text += f", too small by factors of {times(float(factors.min()))} to {times(float(factors.max()))}"
    return f"{text}; the row sums to {number(float(values.sum()))} instead of 0"


def times(factor: float) -> str:
    """Write a factor: 4.1; 5,572."""
    return f"{factor:,.1f}" if factor < 10 else f"{factor:,.0f}"
