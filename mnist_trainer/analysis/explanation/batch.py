"""Why the result is batch × classes: Jacobians of many images built and contracted, and a node that builds none."""

import math

from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.writing import ROUNDING, claim, equality, formula_block, memory_for_readers
from mnist_trainer.words import table


def batch_section(e: Explanation) -> list[str]:
    """Show why the result is (N, C)."""
    b = e.batch
    n, classes = b.images, b.classes
    all_images = (n, classes, n, classes)
    jacobians = f"{n:,} Jacobians" if n > 1 else "1 Jacobian"
    rows = [
        ("dL/dp, taken by backward, and dL/dz, each", (n, classes)),
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
                [[what, str(shape), memory_for_readers(8 * math.prod(shape))] for what, shape in rows],
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
