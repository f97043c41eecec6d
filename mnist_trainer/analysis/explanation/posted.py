"""The posted answer, and the diagonal alone: what they give instead, and why the one often trains."""

import numpy as np

from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.subject import Floats
from mnist_trainer.analysis.explanation.writing import (
    ROUNDING,
    claim,
    class_table,
    column,
    escaped,
    factors_of,
    plain,
    short_names,
    times,
)
from mnist_trainer.words import table


def posted_answer(e: Explanation) -> list[str]:
    """Show the posted answer and the diagonal beside the right gradient."""
    right = e.p_minus_t
    true = escaped(short_names(e)[e.subject.label])
    entry = f"dL/dz({true})"
    rows = []
    for s in e.saturation:
        factor = times(s.right / s.posted)
        rows.append([f"{s.p_true:.4g}", *factors_of(factor, lambda a, b: times(a / b), s.right, s.posted), factor])
    return [
        "The question's author settled for `self.data * (1. - self.data)`, the diagonal of J, fed in backward by "
        "a node that passes p − t off as dL/dp: “posted” is (p − t) · p(1 − p). With dL/dp put right, and still the "
        "diagonal only, it is “diagonal”, −t/p · p(1 − p). ✓ is right, ✗ is wrong:",
        class_table(
            e,
            {
                "p − t": column(right),
                "posted": judged_column(e.posted, right),
                "p(1 − p)": column(e.p * (1 - e.p), signed=False),
                "diagonal": judged_column(e.diagonal, right),
            },
        ),
        *(
            claim(bool(agree(v, right).all()), mistake_complaint(n, v, right))
            for n, v in (("posted", e.posted), ("diagonal", e.diagonal))
        ),
        f"Why “posted” often trains all the same: p(1 − p) is never negative, so no sign is wrong{angle(e)}. But "
        "p(1 − p) is at most 1/4, and goes to 0 as p goes to 0 or 1. Look at the true class's entry while its logit "
        "falls: the right one goes to −1, the posted one to 0. From p = 1/3 down, the worse the mistake, the less the "
        "true class is pulled up:",
        "\n".join(table([f"p({true})", f"{entry}, right", f"{entry}, posted", "too small by a factor of"], rows)),
    ]


def agree(values: Floats, right: Floats) -> np.ndarray:
    """Tell which entries are right."""
    return np.asarray(np.isclose(values, right, rtol=1e-9, atol=1e-15))


def judged_column(values: Floats, right: Floats) -> list[str]:
    """Write a number for every class, and whether it is right."""
    return [f"{text} {'✓' if ok else '✗'}" for text, ok in zip(column(values), agree(values, right), strict=True)]


def angle(e: Explanation) -> str:
    """Write the cosine of the angle between the posted and the right gradient, where they have one."""
    lengths = float(np.linalg.norm(e.posted) * np.linalg.norm(e.p_minus_t))
    if lengths < 1e-30:
        return ""
    return f" (here the cosine of the angle to the right gradient is {float(e.posted @ e.p_minus_t) / lengths:.3f})"


def mistake_complaint(mistake: str, values: Floats, right: Floats) -> str:
    """Say what is wrong with a gradient."""
    wrong = ~agree(values, right)
    if not wrong.any():
        return f"“{mistake}”: here all {len(right)} entries are right, up to rounding: too little is left to be wrong"
    text = f"“{mistake}”: {wrong.sum()} of {len(right)} entries are wrong"
    lost, small = wrong & (values == 0), wrong & (values != 0)
    if lost.any():
        text += f", {'all' if lost.sum() == wrong.sum() else lost.sum()} of them 0"
        if mistake == "posted":  # (p − t) · p(1 − p) is 0 nowhere else
            text += ", where p rounds to 1"
        elif not values[right > 0].any():
            text += ", so that no wrong class is pushed down"
    if small.any():
        factors = right[small] / values[small]
        text += f", too small by factors of {times(float(factors.min()))} to {times(float(factors.max()))}"
    total = float(values.sum())
    return f"{text}; the sum is {plain(total)}{' instead of 0' if abs(total) > ROUNDING else ', or all but'}"
