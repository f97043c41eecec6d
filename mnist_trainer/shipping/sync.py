"""Send journals that no shipper serves: after an outage, a kill, or a run that was tracked off-line."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mnist_trainer.errors import TrackingError
from mnist_trainer.files import JOURNAL
from mnist_trainer.journal import unsent
from mnist_trainer.journal.address import ARTIFACTS
from mnist_trainer.journal.reading import is_running
from mnist_trainer.shipping.delivery import Delivery, delivery_of
from mnist_trainer.shipping.patience import one_line
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.shipment import Shipment, ShippedRun
from mnist_trainer.shipping.store import is_store_s

log = logging.getLogger(__name__)


def send_unsent(
    paths: Sequence[Path], *, store_folder: Path, uri: str | None = None, experiment: str | None = None
) -> Shipment:
    """Send what the journals under `paths` still hold; without paths, what the outputs root lists as unsent.

    A path is a journal, a run's or sweep's folder, or an outputs root. Runs that are running or
    being sent are left alone, those in mode `off` are sent only if a path was named. A `uri` sends
    to that store instead of the journal's own, an `experiment` what it doesn't have yet to that one. Raises
    TrackingError if a path holds no journal.
    """
    if not paths:
        listed = unsent.listed(store_folder).values()
        return send_all(listed, store_folder=store_folder, uri=uri, experiment=experiment)
    shipment = send_all(_journals_in(paths), store_folder=store_folder, uri=uri, experiment=experiment, also_off=True)
    if not shipment.runs:
        raise TrackingError(f"{', '.join(map(str, paths))}: holds no run: no journal here begins with a run's start")
    return shipment


def send_all(
    folders: Iterable[Path],
    *,
    store_folder: Path,
    uri: str | None = None,
    experiment: str | None = None,
    also_off: bool = False,
    go_on: Callable[[], bool] = lambda: True,
) -> Shipment:
    """Send these runs, parents first, while `go_on` says so; a store that doesn't answer is not tried again."""
    found = [delivery_of(folder, uri=uri, experiment=experiment, store_folder=store_folder) for folder in folders]
    deliveries = [delivery for delivery in found if delivery is not None]
    deliveries.sort(key=lambda delivery: delivery.start.kind == "run")
    broken: dict[str | Path, str] = {}  # stores by URI, journals by folder
    runs: list[ShippedRun] = []
    left = 0
    for delivery in deliveries:
        if go_on():
            _send(delivery, broken, also_off)
            if delivery.done:
                unsent.strike(store_folder, delivery.start.run)  # it may go elsewhere since it was entered
            runs.append(delivery.result())
            left += delivery.left() if delivery.outcome == "failed" else 0
    return Shipment(tuple(runs), left, "; ".join(dict.fromkeys(broken.values())) or None)


def _send(delivery: Delivery, broken: dict[str | Path, str], also_off: bool) -> None:
    if delivery.start.mode == "off" and not also_off:
        delivery.outcome = "off"
        return
    try:
        if not delivery.claim():
            delivery.outcome = "served"
        elif delivery.done:
            delivery.outcome = "already"
            unsent.strike(delivery.store_folder, delivery.start.run)
        elif is_running(delivery.folder, delivery.start):
            delivery.outcome = "running"
        elif delivery.uri not in broken:
            while delivery.pump():
                pass
    except Exception as error:  # whatever MLflow raises: the journal keeps what is left
        log.debug("%s: not sent", delivery.folder, exc_info=True)
        what = delivery.uri if is_store_s(error, delivery.uri) else delivery.folder
        broken[what] = one_line(error, delivery.uri)
        delivery.outcome = "failed"
    finally:
        delivery.release()


def _journals_below(folder: Path) -> list[Path]:
    """Return the folder's journals, without the copies that MLflow has among its artifacts."""
    return sorted(
        path for path in folder.rglob(JOURNAL) if path.is_file() and ARTIFACTS not in path.relative_to(folder).parts
    )


def _journals_in(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        journals = [path] if path.is_file() else _journals_below(path)
        if not journals:
            raise TrackingError(f"{path}: no journal here; name a {JOURNAL}, the folder of a run or sweep, or outputs/")
        for journal in journals:
            parent = journal.absolute().parent.parent
            if (parent / JOURNAL).exists() and Position.load(parent) is None:
                found[parent] = None  # a sweep comes before its runs
            found[journal.absolute().parent] = None
    return list(found)
