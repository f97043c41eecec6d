"""task=evaluate: how well a trained network does on the test images of a data set."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from mnist_trainer.config import Config, ModelTaskConfig
from mnist_trainer.figures.calibration import reliability
from mnist_trainer.figures.confusion import confusion_matrix
from mnist_trainer.figures.predictions import MOST_IMAGES, seen_images
from mnist_trainer.files import write_whole
from mnist_trainer.inference.answers import Answers
from mnist_trainer.inference.scores import Scores
from mnist_trainer.journal.events import Confusion, DatasetEvent, Evaluated
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.runs.provenance import machine_tags
from mnist_trainer.runs.record import run_data_schema
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.tasks.terminal import terminal_console
from mnist_trainer.tasks.trained import classifier_for, data_for
from mnist_trainer.words import shown

log = logging.getLogger(__name__)

CSV, WORST, CONFUSION, CALIBRATION = (
    *("evaluation.csv", "worst_mistakes.png"),
    *("confusion_matrix.png", "calibration.png"),
)


def evaluate(config: Config, folder: Path, overrides: Sequence[str] = ()) -> TaskOutcome:
    """Evaluate a model on the test images of its own data, or of others, and track that as a run of its own.

    Writes the files named above. Raises `ConfigError` and `DataError` before anything is written.
    """
    settings = config.task
    assert isinstance(settings, ModelTaskConfig)
    tracked = Tracked(config.tracking, Path(config.outputs).absolute())
    tracked.check()
    classifier = classifier_for(config)
    dataset = data_for(classifier, config, overrides)
    about = classifier.description
    if about.data.get("name") == dataset.name and about.data.get("digest") != dataset.digest:
        log.warning(f"these {dataset.name} are others than the model was trained on: their digest is {dataset.digest}")
    place = tracked.place(dataset.name)
    answers = Answers.of(classifier, dataset.test_images, dataset.test_labels)
    scores, title = answers.scores, f"{about.name} on {dataset.name}"
    record = tracked.record("evaluation", place=place, name=f"evaluate-{about.name}", parent=None)
    data = DatasetEvent(
        name=dataset.name,
        digest=dataset.digest,
        source=dataset.source,
        schema={"mlflow_tensorspec": run_data_schema(dataset.image_shape)},
        profile={"num_rows": scores.samples, "classes": dataset.classes},
        context="testing",
    )
    with shipped(tracked, folder, "evaluation"):
        journal = Journal(folder)
        try:
            journal.start(record)
            journal.params({"checkpoint": settings.checkpoint, "which": settings.which, "data.name": dataset.name})
            journal.tags({"model": about.name, "data.name": dataset.name, **machine_tags(), **tracked.tags})
            journal.write(data)
            journal.metrics(int(about.result.get("updates", 0)), evaluation_metrics(scores))
            journal.write(Confusion(scores.confusion.tolist(), list(classifier.class_names)))
            if isinstance(run := about.result.get("run"), str):
                journal.write(Evaluated(run))
            write_evaluation(folder, answers, title)
            for name in (CSV, WORST, CALIBRATION):
                if (folder / name).exists():
                    journal.artifact(name)
            journal.end("FINISHED")
        finally:
            journal.close()
        print_scores(scores, classifier.class_names)
        log.info(f"{title}: loss {scores.loss:.4f}, accuracy {scores.accuracy:.2%} ({scores.samples:,} images)")
        log.info(
            f"in {shown(folder)}: {CSV}, {CONFUSION}, {CALIBRATION}{', ' + WORST if answers.mistakes.size else ''}"
        )
    return TaskOutcome(0, {"run": record.run, "data": dataset.name, **evaluation_metrics(scores)})


def evaluation_metrics(scores: Scores) -> dict[str, float]:
    """Return the figures that are tracked."""
    return {
        "test/loss": scores.loss,
        "test/accuracy": scores.accuracy,
        "test/macro_f1": float(np.nanmean(scores.f1)),
        "test/calibration_error": scores.calibration.error,
    }


def write_evaluation(folder: Path, answers: Answers, title: str) -> None:
    """Write the table of answers, and draw the pictures."""
    scores, names = answers.scores, answers.classifier.class_names
    write_whole(folder / CSV, answers.as_csv())
    confusion_matrix(scores.confusion.tolist(), names, folder / CONFUSION, title)
    calibration = scores.calibration
    told = f"{title}\nexpected calibration error {calibration.error:.2%}"
    reliability(
        calibration.counts.tolist(),
        calibration.confidence.tolist(),
        calibration.accuracy.tolist(),
        folder / CALIBRATION,
        told,
    )
    worst = answers.mistakes[:MOST_IMAGES]
    if worst.size:
        images = answers.images[worst]
        seen_images(
            [image[..., 0] if image.shape[-1] == 1 else image for image in images],
            answers.probabilities[worst].tolist(),
            names,
            [f"{index}: {names[answers.labels[index]]}, not {names[answers.predicted[index]]}" for index in worst],
            folder / WORST,
            labels=answers.labels[worst].tolist(),
            heading=f"{title}: its worst mistakes\n"
            "number in the test set: its class (green), not the one that it was taken for (vermillion)",
        )


def print_scores(scores: Scores, class_names: Sequence[str]) -> None:
    """Print the classes' figures."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("class", "images", "precision", "recall", "F1"):
        table.add_column(title, justify="left" if title == "class" else "right")
    counts = scores.confusion.sum(axis=1)
    for name, count, *shares in zip(class_names, counts, scores.precision, scores.recall, scores.f1, strict=True):
        table.add_row(escape(name), f"{count:,}", *("-" if math.isnan(share) else f"{share:.2%}" for share in shares))
    terminal_console().print(table)
    terminal_console().print(f"expected calibration error {scores.calibration.error:.2%}", highlight=False)
