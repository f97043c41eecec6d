"""The lecture's figure, from its numbers."""

from pathlib import Path

import numpy as np

from mnist_trainer.analysis.explanation.blocks import short_names, shown_classes
from mnist_trainer.analysis.explanation.numbers import Explanation


def draw(e: Explanation, path: Path) -> None:
    """Draw it to `path`; only what is drawn needs matplotlib."""
    from mnist_trainer.figures.explanation import Numbers, explanation_picture

    shown, names, subject, differences = shown_classes(e), short_names(e), e.subject, e.differences
    explanation_picture(
        Numbers(
            image=subject.image,
            title=f"{subject.data}, test image {subject.index}",
            names=[names[i] for i in shown],
            true=shown.index(subject.label),
            predicted=shown.index(e.predicted),
            label=subject.class_names[subject.label],
            taken_for=subject.class_names[e.predicted],
            logits=subject.logits[shown],
            p=e.p[shown],
            dp=e.dp[shown],
            jacobian=e.jacobian[np.ix_(shown, shown)],
            product=e.product[shown],
            p_minus_t=e.p_minus_t[shown],
            posted=e.posted[shown],
            diagonal=e.diagonal[shown],
            difference=differences["jacobian_product"],
            posted_difference=differences["posted_answer"],
            diagonal_difference=differences["diagonal"],
        ),
        path,
    )
