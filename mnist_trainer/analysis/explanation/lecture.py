"""The lecture on the gradient of softmax + cross-entropy: its steps, each in sentences and numbers."""

from mnist_trainer.analysis.explanation import answers, derivation
from mnist_trainer.analysis.explanation.blocks import (
    Drawing,
    Section,
    short_names,
    shown_classes,
)
from mnist_trainer.analysis.explanation.numbers import Explanation
from mnist_trainer.analysis.explanation.posted import posted_answer

TITLE = "Where is the derivative of softmax? Every number, on one image"
INTRODUCTION = (
    "A student's homework joins softmax and cross-entropy in one node. Its backward is "
    "`gradient * (softmax - inputs[1]) / inputs[0].shape[0]`, in the notation of this lecture (p − t)/N. The student "
    "asks: “Shouldn't it also take the derivative of softmax”? Here is the whole derivation, for one image first "
    "(N = 1). What is called equal was measured, by the very nodes that train."
)


def lecture(explanation: Explanation) -> list[Section]:
    """Return the whole lecture."""
    d = derivation
    parts = (image, d.logits, d.probabilities, d.loss, d.of_probabilities, d.jacobian, d.product, d.fused, d.judge)
    return [part(explanation) for part in (*parts, posted_answer, answers.batch, answers.answers)]


def image(explanation: Explanation) -> Section:
    """Say which image it is, and how to read the tables."""
    e, subject = explanation, explanation.subject
    true, winner = subject.class_names[subject.label], subject.class_names[e.predicted]
    shown, names = shown_classes(e), short_names(e)
    taken = "agrees" if e.predicted == subject.label else f"takes it for {winner}"
    marks = "`true` stands under the image's class, `wins` under the class that the network takes it for"
    if e.predicted == subject.label:
        marks = "`both` stands under the image's class, which is the one that the network takes it for"
    reading = f"In the tables every class has a column; {marks}. All is computed in float64."
    if len(shown) < len(names):
        reading += (
            f" There are {len(names)} classes: the tables show the {len(shown)} of the largest probability (the true "
            "one always), but every number, and every sum, is of all."
        )
    if names != list(subject.class_names):
        reading += " The classes: " + ", ".join(f"{names[i]} {subject.class_names[i]}" for i in shown) + "."
    text = [f"Image {subject.index} of the test set of {subject.data}. Its label is {true}; the network {taken}."]
    return Section("The image", [Drawing(subject.image, [*text, subject.network, subject.why, reading])])
