"""task=predict: what a trained network takes pictures for."""

import csv
import io
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from mnist_trainer.analysis.pictures import try_to_draw
from mnist_trainer.config import Config, PredictConfig
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.files import write_whole
from mnist_trainer.inference.chosen import read_chosen
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.predictions import Prediction, predictions_of_pictures
from mnist_trainer.inference.preparation import Prepared
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.tasks.terminal import terminal_console
from mnist_trainer.tasks.trained import classifier_for, data_for
from mnist_trainer.words import shown

log = logging.getLogger(__name__)

FILES = ("predictions.csv", "predictions.png")
Read = tuple[str, Prepared, str | None]
"""A picture's name, what the network sees of it, and its true class, if that is known."""


def predict(config: Config, folder: Path, overrides: Sequence[str] = ()) -> TaskOutcome:
    """Tell what a model takes pictures for.

    Writes `predictions.csv`, and `predictions.png`: what the network saw of the first of them, and its probabilities.
    Raises `ConfigError` and `DataError`.
    """
    settings = config.task
    assert isinstance(settings, PredictConfig)
    classifier = classifier_for(config)
    read = list(pictures_named(settings.images, classifier, config, overrides))
    images = np.stack([seen.image for _, seen, _ in read])
    found = predictions_of_pictures(
        [name for name, _, _ in read],
        classifier.probabilities(images),
        classifier.class_names,
        [seen.notes for _, seen, _ in read],
        [label for _, _, label in read],
    )
    write_whole(folder / FILES[0], as_csv(found, classifier.class_names))
    table, picture = (folder / name for name in FILES)
    drawn = try_to_draw(picture, partial(draw_seen_pictures, picture, images, found, classifier))
    if settings.format is None:
        print_predictions(found)
        log.info(f"what the network saw: {shown(picture)}\n{'':22}{shown(table)}" if drawn else shown(table))
    else:
        sys.stdout.write(as_csv(found, classifier.class_names) if settings.format == "csv" else as_json(found))
    return TaskOutcome(0, {"predicted": {each.picture: each.predicted for each in found}})


def pictures_named(given: object, classifier: Classifier, config: Config, overrides: Sequence[str]) -> Iterator[Read]:
    """Read the pictures that `images` names; raises `ConfigError` if that is anything but names and numbers."""
    listed = given if isinstance(given, list) else [given]
    if not listed or given is None:
        raise ConfigError(
            "images is empty: name pictures, as in images=[mine.png], or the test set's, as in images=[0]"
        )
    test = None
    for each in listed:
        if isinstance(each, int) and not isinstance(each, bool):
            test = test or data_for(classifier, config, overrides)
            count = len(test.test_images)
            if not 0 <= each < count:
                raise DataError(f"images={each}: the test set of {test.name} has the images 0 to {count - 1:,}")
            label = classifier.class_names[test.test_labels[each]]
            yield f"{test.name} {each}", Prepared(test.test_images[each], []), label
        elif isinstance(each, str):
            for name, seen in read_chosen([each], classifier.description):
                yield name, seen, None
        else:
            raise ConfigError(f"images={each!r}: must be names of pictures, or whole numbers of the test set's images")


def print_predictions(found: Sequence[Prediction]) -> None:
    """Print a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("picture", "taken for", "probability", "then", ""):
        table.add_column(title, justify="right" if title == "probability" else "left", overflow="fold")
    for each in found:
        second = each.runner_up if len(each.probabilities) > 1 else each.predicted
        row = each.picture, each.predicted, f"{each.probability:.1%}", f"{second} {each.probabilities[second]:.1%}"
        table.add_row(*map(escape, (*row, "; ".join(each.told))))
    terminal_console().print(table)


def as_csv(found: Sequence[Prediction], class_names: Sequence[str]) -> str:
    """Write a line a picture, with the probabilities of all classes."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["picture", "predicted", "probability", *(f"p({name})" for name in class_names), "told"])
    for each in found:
        shares = (f"{value:.6g}" for value in (each.probability, *each.probabilities.values()))
        lines.writerow([each.picture, each.predicted, *shares, "; ".join(each.told)])
    return text.getvalue()


def as_json(found: Sequence[Prediction]) -> str:
    """Write a list of objects, one a picture."""
    rows = [
        {
            "picture": each.picture,
            "predicted": each.predicted,
            "probability": each.probability,
            "probabilities": each.probabilities,
            "told": list(each.told),
        }
        for each in found
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


def draw_seen_pictures(
    path: Path,
    images: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]",
    found: Sequence[Prediction],
    classifier: Classifier,
) -> None:
    """Draw what the network saw, beside its probabilities."""
    from mnist_trainer.figures.predictions import seen_images  # a third of a second

    titles = [f"{Path(each.picture).name}: {each.predicted}" for each in found]
    seen_images(
        [image.squeeze(-1) if image.shape[-1] == 1 else image for image in images],
        [list(each.probabilities.values()) for each in found],
        classifier.class_names,
        titles,
        path,
    )
