"""task=explain: the derivation of dL/dz step by step on one image, with its numbers."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mnist_trainer.analysis.explanation.assembly import explanation_page
from mnist_trainer.analysis.explanation.carried import Carried, carried_by_page
from mnist_trainer.analysis.explanation.handout import draw_explanation, print_markdown
from mnist_trainer.analysis.explanation.lecture import lecture
from mnist_trainer.analysis.explanation.numbers import Explanation, explain_gradient
from mnist_trainer.analysis.explanation.subject import choose_subject
from mnist_trainer.analysis.pictures import try_to_draw
from mnist_trainer.config import Config, ExplainConfig
from mnist_trainer.files import write_whole
from mnist_trainer.journal.events import DESCRIPTION
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.cores import product_limits, product_threads
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.runs.provenance import machine_tags
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.tasks.terminal import terminal_console
from mnist_trainer.words import shown

log = logging.getLogger(__name__)

NOTE = (
    "Why the gradient of softmax and cross-entropy is p − t, on one image. Among the artifacts `explanation.html` is a "
    "page to work on: draw a digit, choose the truth, drag a logit, and watch the gradient."
)
"""What MLflow's page of the run begins with."""


def explain(config: Config, folder: Path) -> TaskOutcome:
    """Train a little, explain the gradient of softmax + cross-entropy on one image of the test set, and track that.

    Writes `explanation.md`, `explanation.html`, a page to work on, and the figure into the folder, then prints the
    lecture. Raises `ConfigError`, `DataError` and `DivergedError` before anything is written.
    """
    settings = config.task
    assert isinstance(settings, ExplainConfig)
    tracked = Tracked(config.tracking, Path(config.outputs).absolute())
    tracked.check()
    with product_limits(product_threads(config.trainer)):
        subject, logits, labels, taught = choose_subject(config, settings)
        carried = carried_by_page(taught, subject.index)
    e = explain_gradient(subject, logits, labels)
    record = tracked.record("evaluation", place=tracked.place(taught.dataset.name), name=config.name, parent=None)
    with shipped(tracked, folder, "evaluation"):
        journal = Journal(folder)
        try:
            journal.start(record)
            journal.params({"data.name": subject.data, "model.name": config.model.name, "image": subject.index})
            journal.tags({DESCRIPTION: NOTE, "data.name": subject.data, **machine_tags(), **tracked.tags})
            files = write_explanation(e, carried, folder, settings.figures)
            for path in files:
                journal.artifact(path.name)
            journal.end("FINISHED")
        finally:
            journal.close()
        print_markdown(terminal_console(), lecture(e))
        for path in files:
            log.info(f"to hand out: {shown(path)}")
    return TaskOutcome(
        0,
        {
            "run": record.run,
            "image": subject.index,
            "label": subject.class_names[subject.label],
            "predicted": subject.class_names[e.predicted],
            "loss": e.loss,
            "largest_differences_to_p_minus_t": e.differences,
            "largest_difference_in_the_batch": e.batch.difference,
        },
    )


def write_explanation(e: Explanation, carried: Carried, folder: Path, kinds: Sequence[str]) -> list[Path]:
    """Write the files, and draw the figure, a PNG and the other kinds that were asked for; return what there is."""
    asked = [folder / f"explanation.{kind}" for kind in dict.fromkeys(["png", *kinds])]
    pictures = [picture for picture in asked if try_to_draw(picture, partial(draw_explanation, e, picture))]
    text, page = folder / "explanation.md", folder / "explanation.html"
    write_whole(text, lecture(e, asked[0].name if asked[0] in pictures else None))
    write_whole(page, explanation_page(e, carried))
    return [text, page, *pictures]
