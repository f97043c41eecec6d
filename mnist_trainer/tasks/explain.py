"""task=explain: the derivation of dL/dz step by step on one image, with its numbers."""

import logging
from functools import partial
from pathlib import Path

from mnist_trainer.analysis.explanation.handout import as_markdown, draw
from mnist_trainer.analysis.explanation.lecture import INTRODUCTION, TITLE, lecture
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import observe
from mnist_trainer.analysis.explanation.terminal import print_lecture
from mnist_trainer.analysis.pictures import drawn
from mnist_trainer.config import Config, ExplainConfig
from mnist_trainer.files import write_whole
from mnist_trainer.runs.cores import product_limits, product_threads
from mnist_trainer.runs.outcome import Answer
from mnist_trainer.tasks.terminal import console

log = logging.getLogger(__name__)


def explain(config: Config, folder: Path) -> Answer:
    """Train a little, and explain the gradient of softmax + cross-entropy on one image of the test set.

    Writes `explanation.md` and `explanation.png` into the folder, then prints the lecture. Raises `ConfigError`,
    `DataError` and `DivergedError`.
    """
    settings = config.task
    assert isinstance(settings, ExplainConfig)
    with product_limits(product_threads(config.trainer)):
        subject, logits, labels = observe(config, settings)
    e = explain_gradient(subject, logits, labels)
    steps = lecture(e)
    markdown, picture = folder / "explanation.md", folder / "explanation.png"
    seen = drawn(picture, partial(draw, e, picture))
    write_whole(markdown, as_markdown(e, TITLE, INTRODUCTION, steps, picture.name if seen else None))
    print_lecture(console(), TITLE, INTRODUCTION, steps)
    log.info(f"to hand out: {markdown}" + (f"\n             {picture}" if seen else ""))
    return Answer(
        0,
        {
            "image": subject.index,
            "label": subject.class_names[subject.label],
            "predicted": subject.class_names[e.predicted],
            "loss": e.loss,
            "largest_differences_to_p_minus_t": e.differences,
            "largest_difference_in_the_batch": e.batch.difference,
        },
    )
