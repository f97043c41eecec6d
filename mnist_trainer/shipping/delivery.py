"""One journal on its way into one MLflow run; whatever happens, its position says what is left."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from mnist_trainer.files import CHECKPOINT, JOURNAL
from mnist_trainer.journal import unsent
from mnist_trainer.journal.address import resolve_uri
from mnist_trainer.journal.events import End, Start
from mnist_trainer.journal.locks import try_lock
from mnist_trainer.journal.reading import CHUNK_BYTES, is_running, read_events, read_start
from mnist_trainer.shipping.going_on import remove, send_state
from mnist_trainer.shipping.mlflow_run import draw_pictures, end_run, open_run, send_files, silent_death
from mnist_trainer.shipping.outbox import Outbox, RunDeletedError, RunLostError
from mnist_trainer.shipping.position import LOCK, Position, count_left
from mnist_trainer.shipping.shipment import Outcome, ShippedRun
from mnist_trainer.shipping.store import connect

log = logging.getLogger(__name__)


def delivery_of(
    folder: Path, *, uri: str | None = None, experiment: str | None = None, store_folder: Path | None = None
) -> "Delivery | None":
    """Return the delivery of the folder's journal; None if that has not begun, or, with a warning, can't be read."""
    try:
        start = read_start(folder) if (folder / JOURNAL).exists() else None
    except OSError as error:
        log.warning("%s: %s", error.filename, error.strerror)
        return None
    if start is None:
        return None
    start = replace(start, experiment=experiment or start.experiment)
    return Delivery(folder, start, uri=uri, store_folder=store_folder)


class Delivery:
    """Sends what the journal of `folder` holds, a chunk each time that `pump` is called.

    `start` is the journal's first event, as changed where the run was resumed. It holds the folder's shipping lock
    from the first pump until `release`. A `uri` overrides the journal's own; `store_folder` stands in for the
    journal's, if that does not exist here.
    """

    def __init__(self, folder: Path, start: Start, *, uri: str | None = None, store_folder: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.start = start
        self.position: Position | None = None
        self.outcome: Outcome = "failed"
        self._uri = uri
        self._store_folder = store_folder
        self._outbox: Outbox | None = None
        self._lock: int | None = None
        self._pictures: list[Path] | None = None
        self._began_anew = False
        self._ended = False
        """Whether MLflow has all but the run's files."""

    @property
    def done(self) -> bool:
        """Whether MLflow has all of it."""
        return self.position is not None and self.position.done

    @property
    def superseded(self) -> bool:
        """Whether the run was resumed, or sent by another process, since this one last knew."""
        return self.position is None or self.position != Position.load(self.folder)

    @property
    def store_folder(self) -> Path:
        """The outputs root in which the default store lies."""
        named = Path(self.start.store_folder)
        return named if self._store_folder is None or named.is_dir() else self._store_folder

    @property
    def uri(self) -> str:
        """The tracking URI that the run goes to."""
        return resolve_uri(self._uri or self.start.uri, self.store_folder)

    def claim(self) -> bool:
        """Take the folder's shipping lock and the last shipper's position; False if another has them."""
        if self._lock is None:
            self._lock = try_lock(self.folder / LOCK)
            found = Position.load(self.folder)
            if self._lock is not None and found is not None and self._is_ours(found):
                cut_back = found.offset > (self.folder / JOURNAL).stat().st_size
                self.position = replace(found, offset=0, done=False) if cut_back else found
        return self._lock is not None

    def release(self) -> None:
        """Let other processes serve the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def pump(self) -> bool:
        """Send some 64 KiB of what there is, and the end with its pictures. True if there may be more.

        Raises TrackingError if the store can't ever work, and MLflow's errors if it doesn't answer now.
        """
        if self.done:
            return False
        if not self.claim():
            self.outcome = "served"
            return False
        if self.done:
            self.outcome = "already"
            return False
        # Asked before reading: a writer frees its lock after its last word.
        running = is_running(self.folder, self.start)
        self.outcome = "running" if running else "failed"
        try:
            more = self._send_chunk(*self._open(), running)
        except RunLostError:
            if self._began_anew:
                raise
            log.warning("%s: its run is gone from MLflow; sending it anew", self.folder)
            self._began_anew, self.position, self._outbox = True, None, None
            more = True
        except RunDeletedError:
            log.warning("%s: its run was deleted in MLflow; the rest of the journal stays here", self.folder)
            assert self.position is not None  # its run was known
            self._keep(replace(self.position, done=True, status="DELETED"))
            more = False
        if self.done:
            self.outcome = "sent"
            unsent.strike(self.store_folder, self.start.run)
        return more

    def abandon(self) -> None:
        """Tell that a job was killed that another host may go on with, and send the checkpoint that it left.

        What else it had to say, that one says again: sent now, it would be there twice.
        """
        if not self.claim() or self.position is None:
            return
        store, run_id = connect(self.position.uri), self.position.run_id
        if (self.folder / CHECKPOINT).exists():
            send_state(self.folder, store, run_id)
        end_run(self.folder, self.start, store, self.position, silent_death(self.folder))

    def left(self) -> int:
        """How many events were not sent."""
        return 0 if self.done or self._ended else count_left(self.folder)

    def result(self) -> ShippedRun:
        """Return what came of it."""
        where = self.position
        if where is None:
            return ShippedRun(str(self.folder), None, None, self.uri, "UNKNOWN", self.outcome)
        ids = (where.run_id, where.experiment_id, where.uri)
        return ShippedRun(str(self.folder), *ids, where.status, self.outcome)

    def _is_ours(self, found: Position) -> bool:
        return found.run == self.start.run and found.store_exists and (self._uri is None or found.uri == self.uri)

    def _open(self) -> tuple[Outbox, Position]:
        if self._outbox is None or self.position is None:
            store = connect(self.position.uri if self.position else self.uri)
            stage = store.stage(self.position.run_id) if self.position else None
            if stage == "deleted":
                raise RunDeletedError
            if self.position is None or stage is None:
                self.position = open_run(self.folder, self.start, store, self.store_folder)
            if self.start.resumed or self.start.apart:  # which may have begun on another host
                store.reopen(self.position.run_id, self.start.description)
            self._outbox = Outbox(store, self.position.run_id, self.start)
        return self._outbox, self.position

    def _send_chunk(self, outbox: Outbox, position: Position, running: bool) -> bool:
        events, offset = read_events(self.folder / JOURNAL, position.offset, CHUNK_BYTES)
        changed = offset != position.offset
        outbox.send(events)
        end = next((event for event in events if isinstance(event, End)), None)
        if end is None and not changed and not running:
            end = silent_death(self.folder)
        if end is not None:
            if self._pictures is None:
                self._pictures = draw_pictures(self.folder)
            if self.start.apart and end.status != "FINISHED" and (self.folder / CHECKPOINT).exists():
                send_state(self.folder, outbox.store, outbox.run_id)
            status = end_run(self.folder, self.start, outbox.store, position, end)
            self._ended = True
            self._keep(replace(position, status=status))
            send_files(self.folder, outbox.store, outbox.run_id, self._pictures)
            if self.start.apart and end.status == "FINISHED":
                remove(outbox.store, outbox.run_id)
            outbox.store.delete_twins(position.experiment_id, position.run, outbox.run_id)
            self._keep(replace(position, offset=offset, done=True, status=status))
        elif changed:
            self._keep(replace(position, offset=offset))
        return end is None and (changed or not running)

    def _keep(self, position: Position) -> None:
        self.position = position
        position.save(self.folder)
