"""The shipper's loop: serve the folder while the parent lives, then until all is sent or it is too late."""

import logging
import select
import time
from collections import defaultdict
from pathlib import Path

from mnist_trainer.journal import unsent
from mnist_trainer.journal.reading import is_alive, read_end
from mnist_trainer.process import collect_garbage_again
from mnist_trainer.shipping import packed_model
from mnist_trainer.shipping.delivery import Delivery, delivery_of
from mnist_trainer.shipping.going_on import CheckpointSender
from mnist_trainer.shipping.patience import POLL_SECONDS, Patience, one_line
from mnist_trainer.shipping.position import served_folders
from mnist_trainer.shipping.shipment import Shipment
from mnist_trainer.shipping.store import connect, is_store_s, load_mlflow
from mnist_trainer.shipping.sync import send_all

LEFTOVERS = 20
LEFTOVER_SECONDS = 10.0

log = logging.getLogger(__name__)


class Watch:
    """Serves `folder`; the descriptor `pipe` reads end-of-file once the parent is gone."""

    def __init__(self, folder: Path, deadline: float, pipe: int) -> None:
        self.folder = folder
        self.deadline = deadline
        self.pipe = pipe
        self._deliveries: dict[Path, Delivery] = {}
        self._patience: dict[str | Path, Patience] = defaultdict(Patience)  # with stores by URI, journals by folder
        self._late = False
        self._stopped = False
        self._preloaded = False
        self._keeper = CheckpointSender(folder)

    def stop(self) -> None:
        """End after the batch that is being sent."""
        self._stopped = True

    def run(self) -> Shipment:
        """Serve until there is nothing left to do."""
        gone_at: float | None = None
        load_mlflow()  # the slow import, before there is anything to send
        while not self._stopped:
            if gone_at is None and self._parent_gone():
                gone_at = time.monotonic()
                for patience in self._patience.values():
                    patience.hurry()
            if self._abandoned():
                self._abandon()
                break
            self._serve()
            if gone_at is None:
                self._keep()
            if gone_at is None:
                self._preload()
                self._parent_gone(within=POLL_SECONDS)
            elif self._settled() or is_alive(self.folder):
                break  # alive: the run is resumed, with a shipper of its own
            elif time.monotonic() - gone_at > self.deadline:
                self._late = True
                break
            else:
                time.sleep(POLL_SECONDS)
        for delivery in self._deliveries.values():
            delivery.release()
        if not self._stopped and self.error is None:
            self._send_leftovers()
        return self.shipment()

    @property
    def error(self) -> str | None:
        """What keeps journals from being sent, in one line."""
        told = dict.fromkeys(patience.error for patience in self._patience.values() if patience.error)
        if not told and (self._late or self._stopped):
            told = {f"{each.uri}: too slow to take it all in time": None for each in self._tracked() if each.left()}
        return "; ".join(filter(None, told)) or None

    def shipment(self) -> Shipment:
        """Tell what was sent, and what is left."""
        tracked = self._tracked()
        runs = tuple(delivery.result() for delivery in tracked)
        return Shipment(runs, sum(delivery.left() for delivery in tracked), self.error)

    def _tracked(self) -> list[Delivery]:
        for folder in served_folders(self.folder):  # stopped early, it may not have looked yet
            if folder not in self._deliveries:
                self._delivery(folder)
        return [each for each in self._deliveries.values() if each.start.mode == "mlflow"]

    def _parent_gone(self, within: float = 0.0) -> bool:
        readable, _, _ = select.select([self.pipe], [], [], within)
        return bool(readable)

    def _serve(self) -> None:
        """Send all that is there now, the sweep's own journal first; one that can't be sent doesn't hold up others."""
        for folder in served_folders(self.folder):
            delivery = self._delivery(folder)
            if delivery is None or delivery.done or delivery.start.mode == "off":
                continue
            store, own = self._patience[delivery.uri], self._patience[folder]
            if not (store.due and own.due):
                continue
            try:
                while not self._stopped and not self._abandoned() and delivery.pump():
                    pass
            except Exception as error:  # whatever MLflow raises: the journal keeps what is left
                (store if is_store_s(error, delivery.uri) else own).failed(error, delivery.uri)
            else:
                for what in (delivery.uri, folder):
                    self._patience.pop(what, None)
            finally:
                if folder != self.folder or delivery.done:  # a sweep's job may be resumed between two rounds
                    delivery.release()

    def _apart(self) -> Delivery | None:
        """Return the delivery of a sweep's job that shares no folder with it, if that is what is served."""
        found = self._delivery(self.folder)
        return found if found is not None and found.start.apart and found.start.mode == "mlflow" else None

    def _abandoned(self) -> bool:
        """Whether such a job was killed: from now on another host may go on with it."""
        return self._apart() is not None and self._parent_gone() and read_end(self.folder) is None

    def _abandon(self) -> None:
        delivery = self._apart()
        assert delivery is not None
        try:
            delivery.abandon()
        except Exception as error:  # whatever MLflow raises: whoever goes on waits for a while, and then does so
            log.warning("%s", one_line(error, delivery.uri))
        self._stopped = True

    def _keep(self) -> None:
        """Send what such a job may go on with on another host."""
        delivery = self._apart()
        if delivery is None or delivery.position is None or delivery.done:
            return
        try:
            self._keeper.keep(connect(delivery.uri), delivery.position.run_id)
        except Exception as error:  # whatever MLflow raises: the next one is tried
            log.warning("no checkpoint is sent: %s", one_line(error, delivery.uri))

    def _delivery(self, folder: Path) -> Delivery | None:
        found = self._deliveries.get(folder)
        if found is None or (folder != self.folder and found.superseded):
            found = delivery_of(folder)
            if found is not None:
                self._deliveries[folder] = found
        return found

    def _settled(self) -> bool:
        # One that another process serves, the shipper of the run before it was resumed, say, is waited for
        return all(
            delivery.done or self._patience[delivery.uri].lasting or self._patience[delivery.folder].lasting
            for delivery in self._tracked()
        )

    def _preload(self) -> None:
        """Import and warm up what the end needs, while training goes on."""
        if not self._preloaded:
            self._preloaded = True
            for what, warm_up in (("pictures", _warm_up_drawing), ("models", packed_model.warm_up_packing)):
                try:
                    warm_up()
                except Exception as error:  # a run is sent without
                    log.warning("%s can't be made: %s: %s", what, type(error).__name__, error)
            collect_garbage_again()

    def _send_leftovers(self) -> None:
        """Send runs whose own shipper was killed too, within bounds."""
        sent = next((delivery for delivery in self._deliveries.values() if delivery.done), None)
        if sent is None:  # the store was never reached
            return
        store_folder = sent.store_folder
        listed = [delivery_of(folder) for folder in unsent.listed(store_folder).values()]
        # Another store may be down, and the user is waiting.
        same_store = [each.folder for each in listed if each is not None and each.uri == sent.uri]
        folders = [folder for folder in same_store if folder not in self._deliveries]
        until = time.monotonic() + LEFTOVER_SECONDS
        shipment = send_all(
            folders[:LEFTOVERS],
            store_folder=store_folder,
            go_on=lambda: not self._stopped and time.monotonic() < until,
        )
        for run in shipment.runs:
            log.info("left over: %s: %s", run.folder, run.outcome)


def _warm_up_drawing() -> None:
    from mnist_trainer.shipping.pictures import warm_up_drawing  # Matplotlib, which may be broken

    warm_up_drawing()
