"""A run's journal: `journal.jsonl`, one JSON object a line, written by training and read by everybody else.

It is the truth about a run; MLflow gets a copy of it. Each event is one `write` of a whole line to
the kernel, so that a killed process loses at most the line it was writing. Lines that can't be
written, the disk being full, wait in memory for the next write, and training goes on. The writer holds the
file's lock for as long as it lives: a started journal without an `end` whose lock is free is that
of a dead process. An open journal that is forked (not spawned) keeps the lock in the child too.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from mnist_trainer.errors import DiskError, TrackingError
from mnist_trainer.files import JOURNAL
from mnist_trainer.journal import unsent
from mnist_trainer.journal.address import DEFAULT_STORE, chosen_uri
from mnist_trainer.journal.appender import Appender
from mnist_trainer.journal.events import WRITER, Event
from mnist_trainer.journal.locks import lock_descriptor

BEGINNINGS = ("start", "resume")
WAITING_BYTES = 1 << 25
"""How much may wait in memory for a full disk; metrics beyond that are lost."""
TIMED = ("samples_per_second", "epoch_seconds")
"""The metrics that come out otherwise when the same updates are done again."""

Told = tuple[int, tuple[str, ...]]
Status = Literal["FINISHED", "FAILED", "KILLED"]
Kind = Literal["run", "sweep", "comparison"]
"""A run, or a parent of the runs in the folders below its own."""

log = logging.getLogger(__name__)


def now_ms() -> int:
    """Milliseconds since the epoch, MLflow's unit of time."""
    return time.time_ns() // 1_000_000


def process_start() -> int:
    """When this process started, in clock ticks since the boot: with the pid and host, it names a process."""
    try:
        return int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


@dataclass(frozen=True)
class RunRecord:
    """What a journal starts with; `uri` None: what the environment names, else `mlflow.db` in `store_folder`."""

    run: str  # a uuid's hex digits, made by the caller
    kind: Kind
    experiment: str
    name: str
    uri: str | None
    mode: Literal["mlflow", "off"]
    parent: str | None  # the `run` of the sweep or comparison
    store_folder: str
    pid: int = field(default_factory=os.getpid)
    process_start: int = field(default_factory=process_start)
    host: str = field(default_factory=socket.gethostname)
    start_time: int = field(default_factory=now_ms)


class Journal:
    """The writer; raises TrackingError if the folder's journal has another writer, or content and isn't `reopened`.

    Metrics that equal those in `before` of the same step, but for the timed ones, are written again as they were.
    """

    def __init__(self, folder: Path, *, reopened: bool = False) -> None:
        self.folder = folder.absolute()
        self.path = self.folder / JOURNAL
        self.before: Mapping[Told, Event] = {}
        self._lost = 0  # metrics events
        self._failing = False  # as far as the user was told
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe would wait
            self._descriptor = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise TrackingError(f"{self.path}: a journal can't be written here: {error.strerror}") from error
        problem = None
        if not lock_descriptor(self._descriptor, wait_seconds=0.5):
            advice = "wait for its end" if reopened else "give this run a folder of its own"
            problem = f"another process is writing this journal; {advice}"
        elif os.fstat(self._descriptor).st_size and not reopened:
            problem = "holds another run's journal already; give this run a folder of its own"
        if problem:
            os.close(self._descriptor)
            raise TrackingError(f"{self.path}: {problem}")
        self._lines = Appender(self._descriptor, str(self.path))  # nobody else writes from here on

    @property
    def size(self) -> int:
        """How many bytes are written."""
        return self._lines.size

    def sync(self) -> None:
        """Put all on the disk, where it survives a power failure; raises `OSError` if lines still have to wait."""
        try:
            self._lines.sync()
        finally:
            self._tell()

    def truncate(self, size: int) -> None:
        """Cut the journal back."""
        self._lines.truncate(size)

    def start(self, record: RunRecord) -> None:
        """Write the first event; in mode `mlflow`, enter the run into the outputs root's unsent ones.

        Raises `TrackingError` if it can't be written: nothing is lost yet.
        """
        self._write("start", **asdict(self._entered(record)))
        self._check_begun()

    def resume(self, record: RunRecord, step: int) -> None:
        """Write that the run goes on after `step` updates, by whom, and where it is sent to from now on; as `start`."""
        content = asdict(self._entered(record))
        self._write("resume", step=step, **{name: content[name] for name in WRITER})
        self._check_begun()

    def _check_begun(self) -> None:
        if self._lines.failure is not None:
            self._lines.waiting = b""
            raise TrackingError(f"{self.path}: can't be written: {self._lines.failure.strerror}")

    def _entered(self, record: RunRecord) -> RunRecord:
        # Absolute, since `task=sync` may run elsewhere
        folder = str(Path(record.store_folder).absolute())
        record = replace(record, uri=chosen_uri(record.uri) or DEFAULT_STORE, store_folder=folder)
        if record.mode == "mlflow":
            try:
                unsent.enter(Path(record.store_folder), record.run, self.folder)
            except OSError as error:
                raise TrackingError(f"{record.store_folder}: can't be written: {error.strerror}") from error
        return record

    def params(self, params: Mapping[str, object]) -> None:
        """Write the resolved configuration, flat: `{"optimizer.lr": 0.1}`."""
        self._write("params", params=dict(params))

    def tags(self, tags: Mapping[str, str]) -> None:
        """Write tags, for MLflow's."""
        self._write("tags", tags=dict(tags))

    def dataset(
        self,
        *,
        name: str,
        digest: str,
        source: str,
        schema: Mapping[str, object],
        profile: Mapping[str, object],
    ) -> None:
        """Write the training data set; `source` is a URL or a folder, `digest` has at most 36 characters."""
        self._write("dataset", name=name, digest=digest, source=source, schema=dict(schema), profile=dict(profile))

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write numbers after `step` updates; NaN and infinities are kept."""
        values = {key: float(value) for key, value in metrics.items()}
        before = self.before.get(told(step, values))
        if before is not None and same_but_for_time(before["metrics"], values):
            self._write("metrics", time=before["time"], step=int(step), metrics=before["metrics"])
        else:
            self._write("metrics", step=int(step), metrics=values)

    def confusion(self, matrix: Sequence[Sequence[int]], class_names: Sequence[str]) -> None:
        """Write counts (true class, predicted class) on the test images."""
        rows = [[int(count) for count in row] for row in matrix]
        self._write("confusion", matrix=rows, class_names=list(class_names))

    def artifact(self, name: str, folder: str | None = None) -> None:
        """Declare a file of the run, `name` relative to its folder; sent at the end, to MLflow's `folder`."""
        self._write("artifact", name=name, folder=folder)

    def end(self, status: Status, reason: str | None = None) -> None:
        """Write the last event; the run's status, and the reason if it is a bad one."""
        self._write("end", status=status, reason=reason)

    def close(self) -> None:
        """Give the lock back; a started journal without an end then counts as that of a dead process.

        Raises `DiskError` that says what is missing if there are lines that could not be written.
        """
        if self._descriptor < 0:
            return
        self._lines.try_again()
        os.close(self._descriptor)
        self._descriptor = -1
        if self._lines.waiting or self._lost:
            why = self._lines.failure.strerror if self._lines.failure else "the disk was full for too long"
            raise DiskError(f"{self.path}: {why}; {missing(self._lines.waiting, self._lost)}")

    def _write(self, event: str, /, **content: object) -> None:
        if len(self._lines.waiting) > WAITING_BYTES:
            self._lines.try_again()
        if event == "metrics" and len(self._lines.waiting) > WAITING_BYTES:
            self._lost += 1
            return
        line = json.dumps({"event": event, "time": now_ms(), **content}, separators=(",", ":"), default=str)
        self._lines.append(f"{line}\n".encode())
        if event not in BEGINNINGS:  # which raise
            self._tell()

    def _tell(self) -> None:
        failure, self._failing, before = self._lines.failure, self._lines.failure is not None, self._failing
        if failure is not None and not before:
            log.warning(f"{self.path}: {failure.strerror}; what it has to say waits in memory until it can be written")
        elif failure is None and before:
            log.warning(f"{self.path}: written again, with all that had to wait")


def missing(lines: bytes, lost: int) -> str:
    """Say what journal lines that were not written would have told, beside so many metrics events that are lost."""
    events: list[Event] = [json.loads(line) for line in lines.splitlines()]
    kinds = {event["event"] for event in events}
    steps = [event["step"] for event in events if event["event"] == "metrics"]
    what = [f"metrics from step {min(steps):,} on"] if steps else []
    what += [f"{lost:,} records of metrics, for want of memory"] if lost else []
    what += ["the run's end"] if "end" in kinds else []
    return f"it lacks {len(events) + lost:,} events: {', '.join(what) or ', '.join(sorted(kinds))}"


def told(step: int, metrics: Mapping[str, float]) -> Told:
    """Say what a metrics event tells of."""
    return int(step), tuple(sorted(metrics))


def same_but_for_time(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether metrics of the same names have the same values, NaN being NaN, apart from `TIMED`."""
    pairs = [(one[key], other[key]) for key in one if key not in TIMED]
    return all(a == b or (a != a and b != b) for a, b in pairs)
