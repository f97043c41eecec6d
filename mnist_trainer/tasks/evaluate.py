"""task=evaluate: how well a trained network does on the test images of a data set."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from mnist_trainer.analysis.pictures import try_to_draw
from mnist_trainer.config import Config, EvaluateConfig
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.figures.calibration import reliability
from mnist_trainer.figures.confusion import confusion_matrix
from mnist_trainer.figures.predictions import MOST_IMAGES, seen_images
from mnist_trainer.files import write_whole
from mnist_trainer.inference.answers import Answers
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.scores import Scores
from mnist_trainer.inference.views import Views
from mnist_trainer.journal.events import Confusion, DatasetEvent, Evaluated
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.runs.provenance import machine_tags
from mnist_trainer.runs.record import run_data_schema
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.tasks.terminal import terminal_console
from mnist_trainer.tasks.trained import classifier_for, data_for
from mnist_trainer.words import counted_in_words, glued_words, shown, wrapped

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
    assert isinstance(settings, EvaluateConfig)
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
    by_views = EvaluationByViews.of(settings, classifier, dataset) if settings.tta else None
    metrics = evaluation_metrics(scores) | (by_views.metrics if by_views else {})
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
            journal.params(by_views.params if by_views else {})
            journal.tags({"model": about.name, "data.name": dataset.name, **machine_tags(), **tracked.tags})
            journal.write(data)
            journal.metrics(int(about.result.get("updates", 0)), metrics)
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
        if by_views:
            log.info(wrapped(by_views.words))
        written = (name for name in (CSV, CONFUSION, CALIBRATION, WORST) if (folder / name).exists())
        log.info(f"in {shown(folder)}: {', '.join(written)}")
    return TaskOutcome(0, {"run": record.run, "data": dataset.name, **metrics})


@dataclass(frozen=True)
class EvaluationByViews:
    """What several views of each image come to, told apart from the plain figures."""

    views: Views
    scores: Scores

    @classmethod
    def of(cls, settings: EvaluateConfig, classifier: Classifier, dataset: Dataset) -> "EvaluationByViews":
        """Ask the model about all views."""
        views = Views(settings.tta_shift, settings.tta_rotation)
        log.info(f"looking at {counted_in_words(len(views.maps), 'view')} of each image ...")
        return cls(views, views.scores(classifier, dataset.test_images, dataset.test_labels))

    @property
    def params(self) -> dict[str, float]:
        """What the run in MLflow has in its params."""
        return {"tta_shift": self.views.shift, "tta_rotation": self.views.rotation}

    @property
    def metrics(self) -> dict[str, float]:
        """And in its metrics."""
        return {"tta/loss": self.scores.loss, "tta/accuracy": self.scores.accuracy}

    @property
    def words(self) -> str:
        """A line for the terminal, which nobody takes for the plain result."""
        return (
            f"with test-time augmentation, the mean of {counted_in_words(len(self.views.maps), 'view')} of each image: "
            f"{glued_words(f'loss {self.scores.loss:.4f}')}, {glued_words(f'{self.scores.accuracy:.2%} right')}"
        )


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
    matrix, curve, mistakes = (folder / name for name in (CONFUSION, CALIBRATION, WORST))
    try_to_draw(matrix, partial(confusion_matrix, scores.confusion.tolist(), names, matrix, title))
    calibration = scores.calibration
    told = f"{title}\nexpected calibration error {calibration.error:.2%}"
    counts, confidence, accuracy = calibration.counts, calibration.confidence, calibration.accuracy
    try_to_draw(curve, partial(reliability, counts.tolist(), confidence.tolist(), accuracy.tolist(), curve, told))
    if answers.mistakes.size:
        try_to_draw(mistakes, partial(draw_worst_mistakes, mistakes, answers, title))


def draw_worst_mistakes(path: Path, answers: Answers, title: str) -> None:
    """Draw the images that the model was surest of and wrong."""
    worst, names = answers.mistakes[:MOST_IMAGES], answers.classifier.class_names
    seen_images(
        [image[..., 0] if image.shape[-1] == 1 else image for image in answers.images[worst]],
        answers.probabilities[worst].tolist(),
        names,
        [f"{index}: {names[answers.labels[index]]}, not {names[answers.predicted[index]]}" for index in worst],
        path,
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
