"""A sweep's jobs that share no folder with it: whether a store serves them, and what comes back from there.

Two processes run this beside training (`child`): `take` at a job's beginning, which brings what there is of its run to
the host at hand, and `bring` at the sweep, which brings what its jobs have left into its own folder.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mnist_trainer.errors import TrackingError
from mnist_trainer.files import (
    BEST,
    CHECKPOINT,
    CONFIG,
    JOURNAL,
    LAST,
    MODEL,
    OUTCOME,
    PREVIOUS,
    read_object,
    replacing,
    write_whole,
)
from mnist_trainer.journal.reading import read_start
from mnist_trainer.shipping.going_on import ALIVE_TAG, fetch_state, fetch_told, own_checkpoint_number
from mnist_trainer.shipping.mlflow_run import JOB_TAG
from mnist_trainer.shipping.position import SHIPPED, Position
from mnist_trainer.shipping.store import FAILURE_TAG, RUN_TAG, Store, connect

RESULTS = (JOURNAL, CONFIG, LAST, BEST, MODEL, OUTCOME)
"""What comes back of a job; its outcome last, by which the others are known to be there."""
DYING_SECONDS = 20.0
"""Longer than a killed job's shipper takes to say so; it may have died with its host."""
AT_ONCE = 8
RUNNING = "RUNNING"


def check_serves(store: Store, experiment_id: str) -> None:
    """Raise `TrackingError` if the artifacts of an experiment lie in a folder, which other hosts don't have."""
    place = str(store.client.get_experiment(experiment_id).artifact_location)
    if urlsplit(place).scheme in ("", "file"):
        raise TrackingError(
            f"sweep.shared_folder=false: the artifacts of {store.uri} lie in a folder, {place}, which other hosts "
            "don't have; start the server with --serve-artifacts and --artifacts-destination (an experiment made "
            "before keeps its folder)"
        )


def take(folder: Path, uri: str, run: str) -> None:
    """Bring what there is of a job's run to its folder on this host, and see that nothing there contradicts it.

    A run that is finished comes with its results; another with its newest checkpoint, unless this host has a newer one,
    and with the metrics that MLflow has, which are to be told again as they were.
    """
    store = connect(uri)
    found = store.runs_with(f"tags.`{RUN_TAG}` = '{run}'")
    if found and not result_is_brought(folder):
        until = time.monotonic() + DYING_SECONDS
        while store.client.get_run(found[0].info.run_id).info.status == RUNNING and time.monotonic() < until:
            time.sleep(0.5)
        made = store.client.get_run(found[0].info.run_id)
        if not (made.info.status == "FINISHED" and fetch_results(folder, store, made)):
            fetch_state(folder, store, made.info.run_id)
            fetch_told(folder, store, made.info.run_id)
    if own_checkpoint_number(folder) < 0 and not result_is_brought(folder):  # nothing to go on from: it begins anew
        for name in (JOURNAL, CHECKPOINT, PREVIOUS, SHIPPED, OUTCOME):
            (folder / name).unlink(missing_ok=True)


def result_is_brought(folder: Path) -> bool:
    """Tell whether a folder has a job's result."""
    return outcome_brought(folder).get("status") in ("FINISHED", "PRUNED")


def outcome_brought(folder: Path) -> Mapping[str, Any]:
    """Return what a job's outcome file says; nothing if there is none."""
    try:
        return read_object(folder / OUTCOME)
    except (OSError, ValueError):
        return {}


def fetch_results(folder: Path, store: Store, made: Any) -> bool:
    """Bring the files of a run that has ended; tell whether its result is among them."""
    run_id = made.info.run_id
    there = {each.path for each in store.client.list_artifacts(run_id)}
    for name in RESULTS:
        if name not in there:
            continue
        with tempfile.TemporaryDirectory() as place, replacing(folder / name) as file:
            file.write(Path(store.client.download_artifacts(run_id, name, place)).read_bytes())
    if OUTCOME not in there and "pruned" in made.data.tags:
        reason = made.data.tags.get("pruned.reason")
        write_whole(folder / OUTCOME, json.dumps({"status": "PRUNED", "reason": reason, "overrides": []}) + "\n")
    if (folder / JOURNAL).exists():
        run, experiment = made.data.tags[RUN_TAG], made.info.experiment_id
        size = (folder / JOURNAL).stat().st_size
        Position(run, store.uri, experiment, run_id, size, done=True, status=made.info.status).save(folder)
    return result_is_brought(folder)


def bring(folder: Path, uri: str) -> dict[str, str]:
    """Bring what the jobs of a sweep's folder have left in MLflow into it.

    Returns, by the folders' names, what the tag says that changes as long as they live, of those that MLflow has as
    running.
    """
    store, start = connect(uri), read_start(folder)
    assert start is not None
    position = Position.load(folder)
    known = [position.run_id] if position is not None else []
    parents = known or [each.info.run_id for each in store.runs_with(f"tags.`{RUN_TAG}` = '{start.run}'")]
    made = [
        each
        for parent in parents
        for each in store.runs_with(f"tags.`mlflow.parentRunId` = '{parent}'")
        if JOB_TAG in each.data.tags
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda each: bring_job(folder, store, each), made))
    return {each.data.tags[JOB_TAG]: each.data.tags.get(ALIVE_TAG, "") for each in made if each.info.status == RUNNING}


def bring_job(sweep: Path, store: Store, made: Any) -> None:
    """Bring what one job has left."""
    folder = sweep / Path(made.data.tags[JOB_TAG]).name
    folder.mkdir(exist_ok=True)
    if result_is_brought(folder) or made.info.status == RUNNING:
        return
    if fetch_results(folder, store, made):
        return
    fetch_state(folder, store, made.info.run_id)
    reason = made.data.tags.get(FAILURE_TAG) or f"it is {made.info.status} in MLflow, without its files"
    status = "KILLED" if made.info.status == "KILLED" else "FAILED"
    write_whole(folder / OUTCOME, json.dumps({"status": status, "reason": reason, "overrides": []}) + "\n")
