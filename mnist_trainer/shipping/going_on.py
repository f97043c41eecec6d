"""What a job needs to go on, among its run's artifacts in MLflow: for jobs that share no folder with their sweep.

`going_on/NUMBER.zip` has the checkpoint and the journal up to there; the number is the journal's size then. A zip file
has checksums: one that was cut off is told from a whole one, and the one before is there until the next is whole.
"""

import contextlib
import tempfile
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_trainer.errors import DataError
from mnist_trainer.files import BEST, CHECKPOINT, CHECKPOINT_FORMAT, CUT, JOURNAL, LAST, PREVIOUS, replacing
from mnist_trainer.journal.events import Metrics, line_of
from mnist_trainer.sealed import read_sealed

if TYPE_CHECKING:
    from mnist_trainer.shipping.store import Store

FOLDER = "going_on"
ALIVE_TAG = "mnist_trainer.alive"
"""It changes as long as the job's shipper lives."""
ALIVE_SECONDS = 5.0
SHARE = 10
"""Of the time, so many parts lie between two checkpoints that are sent, one of which was the last's sending."""
LEAST_SECONDS = 1.0


class CheckpointSender:
    """Sends the newest checkpoint of a job's folder, now and then, and tells that the job lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sent = self._due = self._alive = 0.0

    def keep(self, store: "Store", run_id: str, *, now: bool = False) -> None:
        """Send what is new and due, or new at least; raises what the store raises."""
        started = time.monotonic()
        if started - self._alive >= ALIVE_SECONDS and not now:
            store.client.set_tag(run_id, ALIVE_TAG, str(time.time_ns()))
            self._alive = started
        try:
            written = (self.folder / CHECKPOINT).stat().st_mtime
        except FileNotFoundError:
            return
        if written == self._sent or (started < self._due and not now):
            return
        self._due = started + LEAST_SECONDS  # also of one that fails
        send_state(self.folder, store, run_id)
        self._sent = written
        self._due = time.monotonic() + max(LEAST_SECONDS, SHARE * (time.monotonic() - started))


def send_state(folder: Path, store: "Store", run_id: str) -> None:
    """Send a folder's checkpoint, with the journal up to there, and take away those that were sent before."""
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(DataError):  # one that isn't whole stays here
        checkpoint = Path(place, CHECKPOINT)
        checkpoint.write_bytes((folder / CHECKPOINT).read_bytes())
        size = sent_checkpoint_number(checkpoint)
        packed = Path(place, f"{size:012d}.zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(checkpoint, CHECKPOINT)
            with (folder / JOURNAL).open("rb") as journal:
                archive.writestr(JOURNAL, journal.read(size))
        store.client.log_artifact(run_id, str(packed), FOLDER)
        remove(store, run_id, but=packed.name)


def sent_checkpoint_number(checkpoint: Path) -> int:
    """Return the size of the journal when a checkpoint was taken; raises `DataError` if it isn't whole."""
    _, document = read_sealed(checkpoint, "checkpoint", version=CHECKPOINT_FORMAT, others=f"{LAST} and {BEST}")
    size = document.get("journal")
    if not isinstance(size, int):
        raise DataError(f"{checkpoint}: not a run's checkpoint")
    return size


def own_checkpoint_number(folder: Path) -> int:
    """Return the number of the checkpoint in a folder; −1 if there is none that is whole."""
    try:
        return sent_checkpoint_number(folder / CHECKPOINT)
    except (DataError, OSError):
        return -1


def listed(store: "Store", run_id: str) -> list[str]:
    """Return the names of the states in MLflow, the newest first."""
    found = [each.path for each in store.client.list_artifacts(run_id, FOLDER)]
    return sorted((each for each in found if Path(each).stem.isdecimal()), reverse=True)


def remove(store: "Store", run_id: str, but: str = "") -> None:
    """Take the states away from MLflow, but for this one."""
    for path in listed(store, run_id):
        if Path(path).name != but:
            repository: Any = store.client._tracking_client._get_artifact_repo(run_id)
            repository.delete_artifacts(path)


def fetch_state(folder: Path, store: "Store", run_id: str) -> bool:
    """Put the newest state that is whole into a folder, unless what lies there is as new; tell whether it was."""
    own = own_checkpoint_number(folder)
    for path in listed(store, run_id):
        if int(Path(path).stem) <= own:
            return False
        with tempfile.TemporaryDirectory() as place:
            packed = store.client.download_artifacts(run_id, path, place)
            try:
                with zipfile.ZipFile(packed) as archive:
                    files = {name: archive.read(name) for name in (JOURNAL, CHECKPOINT)}
            except (zipfile.BadZipFile, KeyError):  # cut off
                continue
        (folder / PREVIOUS).unlink(missing_ok=True)
        for name, content in files.items():
            with replacing(folder / name) as file:
                file.write(content)
        return True
    return False


def fetch_told(folder: Path, store: "Store", run_id: str) -> None:
    """Put the metrics that MLflow has into a folder: when they are told again, they are to have the same time."""
    told: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for key in store.client.get_run(run_id).data.metrics:
        for each in store.client.get_metric_history(run_id, key):
            told[each.step, each.timestamp][key] = each.value
    before = (folder / CUT).read_bytes() if (folder / CUT).exists() else b""
    with replacing(folder / CUT) as file:
        file.write(before)
        for (step, moment), metrics in sorted(told.items()):
            file.write(line_of(Metrics(step, metrics, time=moment)))
