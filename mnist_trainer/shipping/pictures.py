"""The pictures of a journal: `python -m mnist_trainer.shipping.pictures FOLDER`, of a run or a sweep."""

import io
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mnist_trainer.figures.confusion import confusion_matrix
from mnist_trainer.figures.curves import learning_curves
from mnist_trainer.figures.study import StudyLines, TrialLine, study_history, study_parameters
from mnist_trainer.figures.sweep_jobs import job_curves
from mnist_trainer.figures.sweep_modes import mode_curves
from mnist_trainer.figures.sweep_pairs import paired_differences
from mnist_trainer.files import STUDY, SWEEP, read_object
from mnist_trainer.journal.reading import JournalContent, read_journal
from mnist_trainer.shipping.position import served_folders

CURVES = "learning_curves.png"
CONFUSION = "confusion_matrix.png"
JOBS = "jobs.png"
COMPARISON = "loss_modes.png"
PAIRED = "paired_differences.png"
FOLLOWS = {"model.parameters", "name"}
"""Parameters that follow from others."""
HISTORY = "study_history.png"
PARAMETERS = "study_parameters.png"


def draw_folder(folder: Path) -> list[Path]:
    """Draw what the folder's own journal has the numbers for, into the folder; returns the pictures' paths.

    A run: its learning curves and confusion matrix. A sweep: its runs' curves by loss mode, and
    the paired differences that its own file tells; or its study's trials. A comparison draws its own.
    """
    history = read_journal(folder)
    kind = history.start.kind if history.start else None
    if kind == "sweep" and (study := study_of(folder)) is not None:
        study_history(study, folder / HISTORY)
        study_parameters(study, folder / PARAMETERS)
        return [folder / HISTORY, folder / PARAMETERS]
    if kind == "sweep":
        return draw_sweep_folder(folder)
    if kind == "comparison":
        return []
    pictures: list[Path] = []
    title = history.start.name if history.start else folder.name
    if kind != "evaluation" and any(
        key.partition("/")[0] in ("train", "validation", "test") for key in history.metrics
    ):
        learning_curves(history.metrics, folder / CURVES, title)
        pictures.append(folder / CURVES)
    if history.confusion is not None:
        confusion_matrix(history.confusion.matrix, history.confusion.class_names, folder / CONFUSION, title)
        pictures.append(folder / CONFUSION)
    return pictures


def draw_sweep_folder(folder: Path) -> list[Path]:
    """Draw the jobs' curves where they differ in more than loss and seed, the modes' where there are several, pairs."""
    jobs = [read_journal(child) for child in served_folders(folder)[1:]]
    modes, varied, pairs = by_mode(jobs), what_varies(jobs), pairs_of(folder)
    pictures: list[Path] = []
    if varied - {"loss.name", "seed"}:
        job_curves([(job.start.name if job.start else "", job.metrics) for job in jobs if job.metrics], folder / JOBS)
        pictures.append(folder / JOBS)
    if len(modes) > 1 or (modes and not pictures):
        mode_curves(modes, folder / COMPARISON)
        pictures.append(folder / COMPARISON)
    if pairs:
        paired_differences(pairs, folder / PAIRED)
        pictures.append(folder / PAIRED)
    return pictures


def what_varies(jobs: Sequence[JournalContent]) -> set[str]:
    """Return the parameters, by key, that some jobs which have them have another value of."""
    values: dict[str, set[str]] = defaultdict(set)
    for job in jobs:
        for key, value in job.params.items() if job.metrics else ():
            values[key].add(json.dumps(value))
    return {key for key, found in values.items() if len(found) > 1} - FOLLOWS


def pairs_of(folder: Path) -> list[dict[str, Any]]:
    """Return the comparisons in a sweep's file that have pairs; none if it doesn't tell of any, or isn't there."""
    try:
        pairs = read_object(folder / SWEEP).get("pairs")
    except (OSError, ValueError):
        return []
    return [each for each in pairs if isinstance(each, dict) and each.get("seeds")] if isinstance(pairs, list) else []


def study_of(folder: Path) -> StudyLines | None:
    """Return the study of a sweep's file; None if it has none, or one that can't be used."""
    try:
        found = read_object(folder / STUDY)
        trials = [
            TrialLine(
                number=each["number"],
                value=each["values"][0] if each["values"] and each["state"] == "COMPLETE" else None,
                pruned=each["state"] == "PRUNED",
                params=each["params"],
                curve=each["curve"],
            )
            for each in found["trials"]
        ]
        minimized = found["directions"][0] == "minimize"
        return StudyLines(found["objectives"][0], minimized, found["keys"], found["importance"], trials)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def by_mode(histories: list[JournalContent]) -> dict[str, list[dict[str, list[tuple[int, float]]]]]:
    """Return the runs' metrics grouped by `loss.name`.

    Runs that differ in nothing but the loss have the same place in their groups; those without a
    counterpart in every group are left out, unless no run has one.
    """
    groups: dict[str, dict[str, JournalContent]] = defaultdict(dict)
    for history in histories:
        if history.metrics and "loss.name" in history.params:
            others = {key: value for key, value in history.params.items() if key != "loss.name"}
            groups[str(history.params["loss.name"])][json.dumps(others, sort_keys=True)] = history
    if not groups:
        return {}
    common = set.intersection(*(set(group) for group in groups.values()))
    return {
        mode: [dict(group[key].metrics) for key in sorted(group) if not common or key in common]
        for mode, group in groups.items()
    }


def warm_up_drawing() -> None:
    """Draw to nowhere, so that the next picture finds its fonts and code loaded."""
    nowhere = io.BytesIO()
    series = [(1, 1.0), (2, 0.01)]
    learning_curves({"train/loss": series, "validation/accuracy": series}, nowhere, "")
    confusion_matrix([[1, 2], [3, 4]], ["a", "b"], nowhere, "")


def main(arguments: list[str]) -> int:
    """Draw the pictures of each folder named, and of the runs in it."""
    if not arguments:
        print("usage: python -m mnist_trainer.shipping.pictures FOLDER...", file=sys.stderr)  # noqa: T201
        return 2
    for argument in arguments:
        for folder in served_folders(Path(argument)):
            for path in draw_folder(folder):
                with suppress(BrokenPipeError):  # the pictures are what was asked for, not the list of them
                    print(path, flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
