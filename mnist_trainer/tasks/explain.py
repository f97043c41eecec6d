"""task=explain: the derivation of dL/dz step by step on one image, with its numbers."""

import logging
from functools import partial
from pathlib import Path

from mnist_trainer.analysis.explanation.handout import draw_explanation, handout_html, picture_link, print_markdown
from mnist_trainer.analysis.explanation.lecture import lecture
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import choose_subject
from mnist_trainer.analysis.pictures import try_to_draw
from mnist_trainer.config import Config, ExplainConfig
from mnist_trainer.files import write_whole
from mnist_trainer.runs.cores import product_limits, product_threads
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.tasks.terminal import terminal_console
from mnist_trainer.words import shown

log = logging.getLogger(__name__)


def explain(config: Config, folder: Path) -> TaskOutcome:
    """Train a little, and explain the gradient of softmax + cross-entropy on one image of the test set.

    Writes `explanation.md`, `explanation.html` and the figure into the folder, then prints the lecture. Raises
    `ConfigError`, `DataError` and `DivergedError`.
    """
    settings = config.task
    assert isinstance(settings, ExplainConfig)
    with product_limits(product_threads(config.trainer)):
        subject, logits, labels = choose_subject(config, settings)
    e = explain_gradient(subject, logits, labels)
    asked = [folder / f"explanation.{kind}" for kind in dict.fromkeys(["png", *settings.figures])]
    pictures = [picture for picture in asked if try_to_draw(picture, partial(draw_explanation, e, picture))]
    seen = asked[0] in pictures
    write_whole(folder / "explanation.md", lecture(e, asked[0].name if seen else None))
    write_whole(folder / "explanation.html", handout_html(lecture(e, picture_link(asked[0]) if seen else None)))
    print_markdown(terminal_console(), lecture(e))
    for path in (folder / "explanation.md", folder / "explanation.html", *pictures):
        log.info(f"to hand out: {shown(path)}")
    return TaskOutcome(
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
