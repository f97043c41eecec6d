"""The lecture on the gradient of softmax + cross-entropy as Markdown: its sections, each in sentences and numbers."""

import contextlib
import io

import numpy as np

from mnist_trainer.analysis.explanation.answers import answers_section
from mnist_trainer.analysis.explanation.batch import batch_section
from mnist_trainer.analysis.explanation.derivation import derivation
from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.posted import posted_answer
from mnist_trainer.analysis.explanation.subject import Subject
from mnist_trainer.analysis.explanation.writing import (
    Sections,
    code_block,
    escaped,
    short_names,
    shown_classes,
    wrapped_code,
)

TITLE = "Where is the derivative of softmax? Every number, on one image"
INTRODUCTION = (
    "A student's homework joins softmax and cross-entropy in one node. Its backward is "
    "`gradient * (softmax - inputs[1]) / inputs[0].shape[0]`, in the notation of this lecture (p − t)/N. The student "
    "asks: “Shouldn't it also take the derivative of softmax with respect to the input to softmax?” In short: it does, "
    "for p − t is the derivative of cross-entropy times that of softmax, multiplied out. Here is the whole derivation, "
    "for one image first (N = 1). What is called equal was computed in two ways or more, and compared: by the nodes "
    "that this program trains with, by plain NumPy, or by one of each. The last section but one answers the question "
    "point by point."
)
MOST_PIXELS = 32
PROGRAM = """\
import numpy as np

np.set_printoptions(4, suppress=True, floatmode="fixed", linewidth=76)
{logits}
t = np.eye({classes})[{label}]  # the true class is {name}
p = np.exp(z - z.max())
p /= p.sum()  # softmax
J = np.diag(p) - np.outer(p, p)  # its Jacobian
g = 0 - t / p  # dL/dp
print("p", p, sep="\\n")
print("J.T @ dL/dp", J.T @ g, sep="\\n")
print("p - t", p - t, sep="\\n")
print("posted answer", (p - t) * p * (1 - p), sep="\\n")
print("diagonal only", g * p * (1 - p), sep="\\n")
print("J.T @ dL/dp is p - t:", np.allclose(J.T @ g, p - t, 0, 1e-14))
"""


def lecture(e: Explanation, picture: str | None = None) -> str:
    """Return the whole lecture as Markdown; `picture` is the figure's address, if it is to be shown."""
    sections: Sections = {
        "The image": image_section(e),
        **derivation(e),
        "The posted answer, and its cousin": posted_answer(e),
        f"Why the result is batch × {len(e.p)}": batch_section(e),
        "The question, point by point": answers_section(e),
        "Compute it yourself": program_section(e.subject),
    }
    parts = [f"# {TITLE}", INTRODUCTION]
    if picture is not None:
        parts.append(f"![The derivation in one picture]({picture})")
    for index, (title, paragraphs) in enumerate(sections.items(), start=1):
        parts += [f"## {index}. {title}", *paragraphs]
    return "\n\n".join(parts) + "\n"


def image_section(e: Explanation) -> list[str]:
    """Say which image it is, and how to read the tables."""
    subject, names, shown = e.subject, e.subject.class_names, shown_classes(e)
    winners = np.flatnonzero(subject.logits == subject.logits.max())
    taken = "agrees" if e.predicted == subject.label else f"takes it for {escaped(names[e.predicted])}"
    if len(winners) > 1:
        taken = f"gives {len(winners)} classes the same largest logit, and {taken}, for the first of them counts"
    reading = "In the tables by class every class has a line, with the image's label and the network's answer marked. "
    reading += (
        "From here on all is computed in float64, but for points 10 and 11 of the question: they are about float32."
    )
    if len(shown) < len(names):
        reading += (
            f" There are {len(names)} classes: the tables show the {len(shown)} of the largest probability (the true "
            "one always), but every number, and every sum, is of all."
        )
    if short_names(e) != list(names):
        reading += " In formulas: " + ", ".join(f"{i} {escaped(names[i])}" for i in shown) + "."
    return [
        f"Image {subject.index} of the test set of {escaped(subject.data)}. Its label is "
        f"{escaped(names[subject.label])}; the network {taken}.",
        code_block(image_in_half_blocks(subject.image), "text"),
        f"{subject.network} {subject.why}",
        reading,
    ]


def image_in_half_blocks(image: np.ndarray) -> str:
    """Draw two rows of pixels in a line of text: what is brighter than half the brightest."""
    step = -(-max(image.shape) // MOST_PIXELS)
    pixels = image[::step, ::step]
    bright = np.pad(pixels > max(int(pixels.max()) // 2, 1), ((0, len(pixels) % 2), (0, 0))).astype(int)
    lines = (
        "".join(" ▀▄█"[code] for code in upper + 2 * lower)
        for upper, lower in zip(bright[::2], bright[1::2], strict=True)
    )
    return "\n".join(line.rstrip() for line in lines)


def program_section(subject: Subject) -> list[str]:
    """Return a program for a student to run, and what it prints."""
    text = PROGRAM.format(
        logits=wrapped_code(f"z = np.array([{', '.join(f'{z:g}' for z in subject.logits)}])", "    "),
        classes=len(subject.logits),
        label=subject.label,
        name=" ".join(subject.class_names[subject.label].split()),
    )
    with contextlib.redirect_stdout(io.StringIO()) as printed, np.printoptions(), np.errstate(all="ignore"):
        exec(text, {})
    return [
        "This is the derivation in NumPy, with both mistakes, on the same logits:",
        code_block(text),
        "It prints:",
        code_block(printed.getvalue(), "text"),
    ]
