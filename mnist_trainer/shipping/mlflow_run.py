"""A journal's run in MLflow: found or made at its beginning; at its end its status, pictures and files."""

import logging
import os
import socket
from pathlib import Path

from mnist_trainer.files import JOURNAL, MODEL, OUTCOME, SWEEP, read_object
from mnist_trainer.journal.events import DESCRIPTION, End, Start
from mnist_trainer.journal.locks import try_lock
from mnist_trainer.journal.processes import Process
from mnist_trainer.journal.reading import JournalContent, read_journal, read_start
from mnist_trainer.shipping.description import description_of
from mnist_trainer.shipping.model import send_model
from mnist_trainer.shipping.outbox import TAG_CHARACTERS
from mnist_trainer.shipping.pages import run_page, runs_page
from mnist_trainer.shipping.patience import FilesError
from mnist_trainer.shipping.position import LOCK, Position
from mnist_trainer.shipping.store import FAILURE_TAG, RUN_TAG, Store

SILENT_DEATH = "the training process ended without a word (killed, or out of memory)"

BEST_TAG = "best.run_id"
"""The MLflow id of a sweep's best job."""

JOB_TAG = "mnist_trainer.job"
"""The folder's name of a job that shares no folder with its sweep."""

log = logging.getLogger(__name__)


class ParentError(Exception):
    """A job's sweep that MLflow doesn't have yet."""


def silent_death(folder: Path) -> End:
    """Return the end event that a dead writer owes."""
    return End("FAILED", SILENT_DEATH, time=read_journal(folder).last_time)


def draw_pictures(folder: Path) -> list[Path]:
    """Draw the pictures of the folder's journal; one that can't be drawn must not keep a run from ending."""
    try:
        from mnist_trainer.shipping.pictures import draw_folder

        return draw_folder(folder)
    except Exception as error:
        log.warning("%s: its pictures can't be drawn: %s: %s", folder, type(error).__name__, error)
        log.debug("%s", folder, exc_info=True)
        return []


def end_run(folder: Path, start: Start, store: Store, position: Position, end: End) -> str:
    """Send the reason, the status and its time, and the description: before the files, whose store may not answer.

    Returns the status that the run has then.
    """
    run_id, links = position.run_id, [f"[All runs]({runs_page(position.experiment_id)})"]
    client, history = store.client, read_journal(folder)
    if end.reason:
        client.set_tag(run_id, FAILURE_TAG, end.reason[:TAG_CHARACTERS])
    if not is_others(start, store, run_id):
        client.set_terminated(run_id, end.status, end.time)
    told = description_of(folder, history, end) or history.tags.get(DESCRIPTION, "")
    if start.kind == "sweep" and (best := _best_job(folder, store)) is not None:
        client.set_tag(run_id, BEST_TAG, best.run_id)
        links.insert(0, f"[The best job]({run_page(best.experiment_id, best.run_id)})")
    if told:
        after = "\n\n" + " · ".join(links)
        client.set_tag(run_id, DESCRIPTION, start.described(told)[: TAG_CHARACTERS - len(after)] + after)
    return store.status(run_id)


def is_others(start: Start, store: Store, run_id: str) -> bool:
    """Whether a run's end is others' affair: of who has opened it, and either is still there or has ended it.

    Nobody waits any more for one that goes on after its end.
    """
    if start.into != run_id or start.resumed:
        return False
    opener = Process(start.opener, start.opener_began)
    return (start.host == socket.gethostname() and opener.lives) or store.status(run_id) != "RUNNING"


def send_files(folder: Path, store: Store, run_id: str, pictures: list[Path]) -> None:
    """Send the pictures, the declared files and the journal, and the model; raises `FilesError`."""
    for path, artifact_folder in _artifacts(folder, read_journal(folder), pictures):
        if path.is_file() and os.access(path, os.R_OK):
            try:
                store.client.log_artifact(run_id, str(path), artifact_folder)
            except Exception as error:
                raise FilesError(f"{path.name} and other files are not stored, all else of the run is") from error
        else:
            log.warning("%s: declared as an artifact, but it can't be read", path)
    send_model(folder, store, run_id)


def _best_job(folder: Path, store: Store) -> Position | None:
    """Return where a sweep's best job is, if it tells of one."""
    best = best_folder(folder)
    return None if best is None else _position_of(best, store)


def best_folder(folder: Path) -> Path | None:
    """Return the folder of a sweep's best job, as the sweep's file tells; None if it tells none, or can't be read."""
    try:
        best = read_object(folder / SWEEP).get("best")
    except (OSError, ValueError):
        return None
    name = best.get("folder") if isinstance(best, dict) else None
    return folder / name if isinstance(name, str) and Path(name).name == name else None


def _position_of(folder: Path, store: Store) -> Position | None:
    """Return where the run of a folder is in the store, made there if it isn't yet; None if that can't be."""
    position = Position.load(folder)
    start = read_start(folder) if position is None and (folder / JOURNAL).exists() else None
    if start is not None and (lock := try_lock(folder / LOCK)) is not None:  # else another process is about to
        try:
            position = open_run(folder, start, store, Path(start.store_folder))
        finally:
            os.close(lock)
    return position if position is not None and position.uri == store.uri else None


def _artifacts(folder: Path, history: JournalContent, pictures: list[Path]) -> list[tuple[Path, str | None]]:
    declared: list[tuple[Path, str | None]] = [(folder / each.name, each.folder) for each in history.artifacts]
    apart = history.start is not None and history.start.apart and history.end is not None
    more = [folder / name for name in (MODEL, OUTCOME) if apart and (folder / name).exists()]
    first, last = [(path, None) for path in pictures], [(path, None) for path in (folder / JOURNAL, *more)]
    return list(dict.fromkeys([*first, *declared, *last]))


def open_run(folder: Path, start: Start, store: Store, store_folder: Path) -> Position:
    """Find or make the run of the journal that begins with `start`; saves its position, at the beginning."""
    experiment_id = store.experiment(start.experiment, store_folder)
    store.show(experiment_id)
    tags = {RUN_TAG: start.run, "version.mlflow": store.version}
    if start.description:
        tags[DESCRIPTION] = start.description[:TAG_CHARACTERS]
    run_id = store.find_run(experiment_id, start.run)
    if run_id is None and start.into is not None and store.stage(start.into) == "active":
        run_id = start.into
        for tag, value in tags.items():
            store.client.set_tag(run_id, tag, value)
    if run_id is None:
        parent_id = _parent_run_id(folder, start, store, experiment_id)
        if parent_id is not None:
            tags["mlflow.parentRunId"] = parent_id
        if start.apart:
            tags[JOB_TAG] = folder.name
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
    if found is None and start.apart:
        found = store.find_run_anywhere(start.parent)
        if found is None:
            raise ParentError(f"the sweep {start.parent} is not in MLflow yet")
    if found is None:
        log.warning("%s: its parent %s is not in MLflow; sent without it", folder, start.parent)
    return found
