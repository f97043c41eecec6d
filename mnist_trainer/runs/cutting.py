"""A killed run's journal, cut back to where the run is resumed.

What is cut off may be in MLflow already, which forgets nothing. A run that goes on bit for bit writes the same
metrics again; so that MLflow takes them for the ones that it has, they must have the same time, too. Therefore the
metrics that are cut off are kept in `journal.cut.jsonl` until the run has ended, and the journal writes those that
come again as they were: with their time, and with the speed that was measured then.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from mnist_trainer.errors import TrackingError
from mnist_trainer.files import CUT, replacing
from mnist_trainer.journal.events import Metrics, Told, line_of
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.locks import locked
from mnist_trainer.journal.reading import read_events
from mnist_trainer.shipping.position import LOCK, SHIPPED, Position

PATIENCE_SECONDS = 75.0  # longer than a shipper tries to reach a store after its run's end

log = logging.getLogger(__name__)


def cut_back(journal: Journal, size: int | None, uri: str) -> None:
    """Cut a reopened journal back to `size` bytes, or to its first event, and MLflow's position with it.

    `uri` is the store that the run goes on in: it gets all of the journal if it is another one than before.
    Waits for the dead run's shipper to leave; raises TrackingError if it doesn't, or if the journal is shorter.
    """
    with ExitStack() as stack:
        lock = journal.folder / LOCK
        try:
            try:
                stack.enter_context(locked(lock, 1.0))
            except TimeoutError:
                log.info("waiting for the process that still sends the run to MLflow")
                stack.enter_context(locked(lock, PATIENCE_SECONDS))
        except TimeoutError as error:
            raise TrackingError(f"{error}: it still sends the run to MLflow; try again later") from error
        if size is None:
            size = _first_event_size(journal.path)
        if size > journal.size:
            raise TrackingError(f"{journal.path}: {journal.size:,} bytes, but its checkpoint was taken at {size:,}")
        before = _metrics_told(journal.folder / CUT) | _metrics_told(journal.path, size)
        if before:
            _keep_told_metrics(journal.folder / CUT, before.values())
        journal.truncate(size)
        journal.remember(before)
        position = Position.load(journal.folder)
        if position is not None and position.uri != uri:
            (journal.folder / SHIPPED).unlink()
        elif position is not None:
            replace(position, offset=min(position.offset, size), done=False, status="RUNNING").save(journal.folder)


def kept(folder: Path) -> dict[Told, Metrics]:
    """Return the metrics that a run told before, and is to tell as they were."""
    return _metrics_told(folder / CUT)


def _first_event_size(path: Path) -> int:
    with path.open("rb") as file:
        line = file.readline()
    return len(line) if line.endswith(b"\n") and b'"event":"start"' in line else 0


def _metrics_told(path: Path, offset: int = 0) -> dict[Told, Metrics]:
    if not path.exists():
        return {}
    events, _ = read_events(path, offset)
    return {event.told: event for event in events if isinstance(event, Metrics)}


def _keep_told_metrics(path: Path, events: Iterable[Metrics]) -> None:
    try:
        with replacing(path) as file:
            file.writelines(map(line_of, events))
            file.flush()
            os.fsync(file.fileno())  # before the journal is cut
    except OSError as error:
        raise TrackingError(f"{path}: can't be written: {error.strerror}") from error
