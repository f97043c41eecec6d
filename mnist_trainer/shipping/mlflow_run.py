"""A journal's run in MLflow: found or made at its beginning; at its end its status, pictures and files."""

import logging
import os
from pathlib import Path

from mnist_trainer.files import JOURNAL
from mnist_trainer.journal.events import End, Start
from mnist_trainer.journal.reading import History, read_history
from mnist_trainer.shipping.outbox import TAG_CHARACTERS
from mnist_trainer.shipping.patience import FilesError
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.store import FAILURE_TAG, RUN_TAG, Store

SILENT_DEATH = "the training process ended without a word (killed, or out of memory)"

log = logging.getLogger(__name__)


def silent_death(folder: Path) -> End:
    """Return the end event that a dead writer owes."""
    return End("FAILED", SILENT_DEATH, time=read_history(folder).last_time)


def draw(folder: Path) -> list[Path]:
    """Draw the pictures of the folder's journal; one that can't be drawn must not keep a run from ending."""
    try:
        from mnist_trainer.shipping.pictures import draw_folder

        return draw_folder(folder)
    except Exception as error:
        log.warning("%s: its pictures can't be drawn: %s: %s", folder, type(error).__name__, error)
        log.debug("%s", folder, exc_info=True)
        return []


def end_run(store: Store, run_id: str, end: End) -> None:
    """Send the reason, the status and its time: before the files, whose store may be another, and not answer."""
    if end.reason:
        store.client.set_tag(run_id, FAILURE_TAG, end.reason[:TAG_CHARACTERS])
    store.client.set_terminated(run_id, end.status, end.time)


def send_files(folder: Path, store: Store, run_id: str, pictures: list[Path]) -> None:
    """Send the pictures, the declared files and the journal; raises `FilesError`."""
    for path, artifact_folder in _artifacts(folder, read_history(folder), pictures):
        if path.is_file() and os.access(path, os.R_OK):
            try:
                store.client.log_artifact(run_id, str(path), artifact_folder)
            except Exception as error:
                raise FilesError(f"{path.name} and other files are not stored, all else of the run is") from error
        else:
            log.warning("%s: declared as an artifact, but it can't be read", path)


def _artifacts(folder: Path, history: History, pictures: list[Path]) -> list[tuple[Path, str | None]]:
    declared = [(folder / each.name, each.folder) for each in history.artifacts]
    return list(dict.fromkeys([(path, None) for path in pictures] + declared + [(folder / JOURNAL, None)]))


def open_run(folder: Path, start: Start, store: Store, store_folder: Path) -> Position:
    """Find or make the run of the journal that begins with `start`; saves its position, at the beginning."""
    experiment_id = store.experiment(start.experiment, store_folder)
    run_id = store.find_run(experiment_id, start.run)
    if run_id is None:
        tags = {RUN_TAG: start.run, "version.mlflow": store.version}
        parent_id = _parent_run_id(folder, start, store, experiment_id)
        if parent_id is not None:
            tags["mlflow.parentRunId"] = parent_id
        made = store.client.create_run(experiment_id, start.start_time, tags, start.name)
        run_id = made.info.run_id
    position = Position(start.run, store.uri, experiment_id, run_id)
    position.save(folder)
    return position


def _parent_run_id(folder: Path, start: Start, store: Store, experiment_id: str) -> str | None:
    if start.parent is None:
        return None
    beside = Position.load(folder.parent)  # the runs of a sweep or comparison lie in its folder
    if beside is not None and (beside.run, beside.uri) == (start.parent, store.uri):
        return beside.run_id
    found = store.find_run(experiment_id, start.parent)
    if found is None:
        log.warning("%s: its parent %s is not in MLflow; sent without it", folder, start.parent)
    return found
