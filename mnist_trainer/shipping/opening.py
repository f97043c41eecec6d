"""The MLflow run of a journal: the one that an earlier shipper made, or a new one."""

import logging
from pathlib import Path

from mnist_trainer.journal.events import Event
from mnist_trainer.shipping import position as positions
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.store import RUN_TAG, Store

log = logging.getLogger(__name__)


def open_run(folder: Path, start: Event, store: Store, store_folder: Path) -> Position:
    """Find or make the run of the journal that begins with `start`; saves its position, at the beginning."""
    experiment_id = store.experiment(start["experiment"], store_folder)
    run_id = store.find_run(experiment_id, start["run"])
    if run_id is None:
        tags = {RUN_TAG: start["run"], "version.mlflow": store.version}
        parent_id = _parent_run_id(folder, start, store, experiment_id)
        if parent_id is not None:
            tags["mlflow.parentRunId"] = parent_id
        made = store.client.create_run(experiment_id, start["start_time"], tags, start["name"])
        run_id = made.info.run_id
    position = Position(start["run"], store.uri, experiment_id, run_id)
    position.save(folder)
    return position


def _parent_run_id(folder: Path, start: Event, store: Store, experiment_id: str) -> str | None:
    if start["parent"] is None:
        return None
    beside = positions.load(folder.parent)  # the runs of a sweep or comparison lie in its folder
    if beside is not None and (beside.run, beside.uri) == (start["parent"], store.uri):
        return beside.run_id
    found = store.find_run(experiment_id, start["parent"])
    if found is None:
        log.warning("%s: its parent %s is not in MLflow; sent without it", folder, start["parent"])
    return found
