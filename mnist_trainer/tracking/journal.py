"""A run's journal: `journal.jsonl`, one JSON object a line, written by training and read by everybody else.

It is the truth about a run; MLflow gets a copy of it. Each event is one `write` of a whole line to
the kernel, so that a killed process loses at most the line it was writing. The writer holds the
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
from typing import Any, Literal

from mnist_trainer.errors import TrackingError
from mnist_trainer.tracking import unsent
from mnist_trainer.tracking.address import DEFAULT_STORE, chosen_uri
from mnist_trainer.tracking.locks import is_locked, lock_descriptor

FILE = "journal.jsonl"
KINDS = ("start", "resume", "params", "tags", "dataset", "metrics", "confusion", "artifact", "end")
CHUNK_BYTES = 1 << 16
TIMED = ("samples_per_second", "epoch_seconds")
"""The metrics that come out otherwise when the same updates are done again."""

Event = dict[str, Any]
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


RESUMED = ("uri", "mode", "store_folder", "pid", "process_start", "host")
"""What a `resume` event says instead of the `start`."""


class Journal:
    """The writer; raises TrackingError if the folder's journal has another writer, or content and isn't `reopened`.

    Metrics that equal those in `before` of the same step, but for the timed ones, are written again as they were.
    """

    def __init__(self, folder: Path, *, reopened: bool = False) -> None:
        self.folder = folder.absolute()
        self.path = self.folder / FILE
        self.before: Mapping[Told, Event] = {}
        self._torn = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise TrackingError(f"{self.path}: a journal can't be written here: {error.strerror}") from error
        problem = None
        if not lock_descriptor(self._descriptor, wait_seconds=0.5):
            advice = "wait for its end" if reopened else "give this run a folder of its own"
            problem = f"another process is writing this journal; {advice}"
        elif self.size and not reopened:
            problem = "holds another run's journal already; give this run a folder of its own"
        if problem:
            self.close()
            raise TrackingError(f"{self.path}: {problem}")

    @property
    def size(self) -> int:
        """How many bytes are written."""
        return os.fstat(self._descriptor).st_size

    def sync(self) -> None:
        """Put what is written on the disk, where it survives a power failure."""
        os.fsync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the journal back."""
        os.ftruncate(self._descriptor, size)

    def start(self, record: RunRecord) -> None:
        """Write the first event; in mode `mlflow`, enter the run into the outputs root's unsent ones."""
        self._write("start", **asdict(self._entered(record)))

    def resume(self, record: RunRecord, step: int) -> None:
        """Write that the run goes on after `step` updates, by whom, and where it is sent to from now on."""
        content = asdict(self._entered(record))
        self._write("resume", step=step, **{name: content[name] for name in RESUMED})

    def _entered(self, record: RunRecord) -> RunRecord:
        # Absolute, since `task=sync` may run elsewhere; a password in the environment stays there.
        uri = chosen_uri(record.uri)
        record = replace(record, uri=record.uri if uri and "@" in uri else uri or DEFAULT_STORE)
        record = replace(record, store_folder=str(Path(record.store_folder).absolute()))
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
        """Give the lock back; a started journal without an end then counts as that of a dead process."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, event: str, /, **content: object) -> None:
        line = json.dumps({"event": event, "time": now_ms(), **content}, separators=(",", ":"), default=str)
        data = memoryview((("\n" if self._torn else "") + line + "\n").encode())
        try:
            while data:
                written = os.write(self._descriptor, data)
                self._torn = written < len(data)
                data = data[written:]
        except OSError as error:
            raise TrackingError(f"{self.path}: can't be written: {error.strerror}") from error


def told(step: int, metrics: Mapping[str, float]) -> Told:
    """Say what a metrics event tells of."""
    return int(step), tuple(sorted(metrics))


def same_but_for_time(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether metrics of the same names have the same values, NaN being NaN, apart from `TIMED`."""
    pairs = [(one[key], other[key]) for key in one if key not in TIMED]
    return all(a == b or (a != a and b != b) for a, b in pairs)


def read_events(path: Path, offset: int = 0, limit: int | None = None) -> tuple[list[Event], int]:
    """Return the whole lines from byte `offset` on, and the offset after them; half a last line is left.

    With `limit`, about so many bytes at most. Lines that aren't events are skipped, with a warning.
    """
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read() if limit is None else file.read(limit) + file.readline()
    data = data[: data.rfind(b"\n") + 1]
    events = []
    for line in data.splitlines():
        event = _parsed(line)
        if event is not None:
            events.append(event)
        elif line.strip():
            log.warning("%s: skipped a line that is not an event: %r", path, line[:80])
    return events, offset + len(data)


def read_start(folder: Path) -> Event | None:
    """Return a journal's first event, `resumed` or not, with what the last `resume` changed; None without a start."""
    with (folder / FILE).open("rb") as file:
        lines = [line for number, line in enumerate(file) if number == 0 or line.startswith(b'{"event":"resume"')]
    events = [_parsed(line) for line in lines[:1] + lines[1:][-1:] if line.endswith(b"\n")]
    if not events or events[0] is None or events[0]["event"] != "start":
        return None
    last = events[-1] or {}
    resumed = last.get("event") == "resume"
    return events[0] | {"resumed": resumed} | ({name: last[name] for name in RESUMED} if resumed else {})


def read_end(folder: Path) -> Event | None:
    """Return a journal's last event if it is the end; None if it has none, or there is no journal."""
    if not (folder / FILE).exists():
        return None
    with (folder / FILE).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - CHUNK_BYTES))
        *_, last = [b"", *file.read().splitlines()]
    event = _parsed(last)
    return event if event is not None and event["event"] == "end" else None


def _parsed(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("event") in KINDS else None


def is_alive(folder: Path) -> bool:
    """Whether a process on this host is writing the folder's journal."""
    return is_locked(folder / FILE)
