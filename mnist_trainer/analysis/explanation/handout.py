"""The lecture to hand out: a Markdown file, with a program that computes the same numbers, and a figure."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mnist_trainer.analysis.explanation.blocks import (
    Block,
    Cell,
    Code,
    Drawing,
    Equality,
    Formula,
    Reply,
    Section,
    Table,
    Tone,
    short_names,
    shown_classes,
)
from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.subject import Floats
from mnist_trainer.words import table

SIGNS: dict[Tone, str] = {"right": " ✅", "wrong": " ❌"}
# what the program prints: its name, its code, and the same number of the explanation's
PRINTED: Sequence[tuple[str, str, Callable[[Explanation], Floats]]] = (
    ("p", "p", lambda e: e.p),
    ("J.T @ dL/dp", "J.T @ g", lambda e: e.product),
    ("p - t", "p - t", lambda e: e.p_minus_t),
    ("posted answer", "(p - t) * p * (1 - p)", lambda e: e.posted),
    ("diagonal only", "g * p * (1 - p)", lambda e: e.diagonal),
)
PROGRAM = """\
import numpy as np

np.set_printoptions(precision=4, suppress=True, floatmode="fixed", linewidth=120)
z = np.array({logits})
t = np.eye({classes})[{label}]  # the true class is {name}
p = np.exp(z - z.max())
p /= p.sum()  # softmax
J = np.diag(p) - np.outer(p, p)  # its Jacobian
g = 0 - t / p  # dL/dp
{prints}
print("J.T @ dL/dp is p - t:", np.allclose(J.T @ g, p - t, rtol=0, atol=1e-14))
"""


def as_markdown(
    explanation: Explanation, title: str, introduction: str, steps: Sequence[Section], picture: str | None
) -> str:
    """Write the whole lecture; `picture` is the link to the figure, relative to the file, if there is one."""
    lines = [f"# {title}", "", escaped(introduction), ""]
    if picture is not None:
        lines += [f"![The derivation in one picture]({picture})", ""]
    for index, step in enumerate(steps, start=1):
        lines += [f"## {index}. {step.title}", ""]
        for block in step.blocks:
            lines += [*written(block), ""]
    lines += [
        f"## {len(steps) + 1}. Compute it yourself",
        "",
        "This is all of it in NumPy, on the same logits:",
        "",
        *fenced(program(explanation), "python"),
        "",
        "It prints:",
        "",
        *fenced(output(explanation), "text"),
    ]
    return "\n".join(lines) + "\n"


def written(block: Block) -> list[str]:
    """Write a block."""
    match block:
        case Table(heads, rows):
            head = [
                " ".join(word for cell in cells if (word := escaped(cell.text))) for cells in zip(*heads, strict=True)
            ]
            return table(head, [[in_cell(cell) for cell in row] for row in rows])
        case Drawing(_, paragraphs):
            return "\n\n".join(map(escaped, paragraphs)).splitlines()
        case Formula(text):
            return fenced(text, "text")
        case Code(text):
            return fenced(text, "python")
        case Equality(holds=holds, text=text):
            return [f"{'✅' if holds else '❌'} **{block.says}:** {escaped(text)}"]
        case Reply(who, quote, right, answer):
            sign = {None: "❓ **Asked**", True: "✅ **Right**", False: "❌ **Wrong**"}[right]
            return [f"{sign} {who}: *“{escaped(quote, code=False)}”*", "", escaped(answer)]
        case _:
            return [escaped(block)]


def in_cell(cell: Cell) -> str:
    """Write a cell: the diagonal in bold, right and wrong with their signs."""
    text = escaped(cell.text)
    return f"**{text}**" if cell.tone == "diagonal" else text + SIGNS.get(cell.tone, "")


def escaped(text: str, *, code: bool = True) -> str:
    """Keep Markdown from reading signs of the text as its own, but for backticks if there is `code`."""
    parts = text.split("`") if code else [text]
    for index in range(0, len(parts), 2):
        for sign in "\\*|<":
            parts[index] = parts[index].replace(sign, "\\" + sign)
    return "`".join(parts)


def fenced(text: str, language: str) -> list[str]:
    """Write lines as a block of code."""
    return [f"```{language}", *text.splitlines(), "```"]


def program(explanation: Explanation) -> str:
    """Return a program for a student to run: this image's numbers in plain NumPy."""
    subject = explanation.subject
    return PROGRAM.format(
        logits=[float(z) for z in subject.logits],
        classes=len(subject.logits),
        label=subject.label,
        name=subject.class_names[subject.label],
        prints="\n".join(f'print("{name:<15}", {code})' for name, code, _ in PRINTED),
    )


def output(explanation: Explanation) -> str:
    """Return what the program prints, from the explanation's own numbers."""
    e = explanation
    with np.printoptions(precision=4, suppress=True, floatmode="fixed", linewidth=120):
        lines = [f"{name:<15} {of(e)}" for name, _, of in PRINTED]
    same = np.allclose(e.product, e.p_minus_t, rtol=0, atol=1e-14)
    return "\n".join([*lines, f"J.T @ dL/dp is p - t: {same}"])


def draw(e: Explanation, path: Path) -> None:
    """Draw the figure to `path`; only what is drawn needs matplotlib."""
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
