"""A run's journal: `journal.jsonl`, one JSON object a line, written by training and read by everybody else.

It is the truth about a run; MLflow gets a copy of it. Each event is one `write` of a whole line to
the kernel, so that a killed process loses at most the line it was writing. Lines that can't be
written, the disk being full, wait in memory for the next write, and training goes on. The writer holds the
file's lock for as long as it lives: a started journal without an `end` whose lock is free is that
of a dead process. An open journal that is forked (not spawned) keeps the lock in the child too.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mnist_trainer.errors import DiskError, TrackingError
from mnist_trainer.files import JOURNAL
from mnist_trainer.journal import unsent
from mnist_trainer.journal.address import DEFAULT_STORE, chosen_uri
from mnist_trainer.journal.appender import Appender
from mnist_trainer.journal.events import (
    Artifact,
    End,
    Event,
    Metrics,
    Params,
    Resume,
    Start,
    Status,
    Tags,
    Told,
    line_of,
    now_ms,
    parse,
)
from mnist_trainer.journal.locks import lock_descriptor

WAITING_BYTES = 1 << 25
"""How much may wait in memory for a full disk; metrics beyond that are lost."""

log = logging.getLogger(__name__)


class Journal:
    """The writer; raises TrackingError if the folder's journal has another writer, or content and isn't `reopened`.

    Metrics that equal those to `remember` of the same step, but for the timed ones, are written again as they were.
    """

    def __init__(self, folder: Path, *, reopened: bool = False) -> None:
        self.folder = folder.absolute()
        self.path = self.folder / JOURNAL
        self.remember({})
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

    def remember(self, before: Mapping[Told, Metrics]) -> None:
        """Let metrics that were told before, and cut off since, be told as they were."""
        self.before = before
        self._before_by_step: dict[int, list[Metrics]] = defaultdict(list)
        for event in before.values():
            self._before_by_step[event.step].append(event)

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

    def start(self, start: Start) -> None:
        """Write the first event; in mode `mlflow`, enter the run into the outputs root's unsent ones.

        Raises `TrackingError` if it can't be written: nothing is lost yet.
        """
        self.write(replace(self._entered(start), time=now_ms()))
        self._check_begun()

    def resume(self, start: Start, step: int) -> None:
        """Write that the run goes on after `step` updates, here, and where it is sent to from now on; as `start`."""
        run = self._entered(start)
        self.write(Resume(step=step, uri=run.uri, mode=run.mode, store_folder=run.store_folder))
        self._check_begun()

    def _check_begun(self) -> None:
        if self._lines.failure is not None:
            self._lines.waiting = b""
            raise TrackingError(f"{self.path}: can't be written: {self._lines.failure.strerror}")

    def _entered(self, start: Start) -> Start:
        # Absolute, since `task=sync` may run elsewhere
        folder = str(Path(start.store_folder).absolute())
        if start.mode == "mlflow" and not start.apart:  # that is its sweep's to send, which may go on elsewhere
            try:
                unsent.enter(Path(folder), start.run, self.folder)
            except OSError as error:
                raise TrackingError(f"{folder}: can't be written: {error.strerror}") from error
        return replace(start, uri=chosen_uri(start.uri) or DEFAULT_STORE, store_folder=folder)

    def params(self, params: Mapping[str, object]) -> None:
        """Write parameters; see `Params`."""
        self.write(Params(dict(params)))

    def tags(self, tags: Mapping[str, str]) -> None:
        """Write tags."""
        self.write(Tags(dict(tags)))

    def metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write numbers after `step` updates; NaN and infinities are kept."""
        now = Metrics(int(step), {key: float(value) for key, value in metrics.items()})
        for before in self._told_before(now):
            self.write(before)
            now = replace(now, metrics={key: now.metrics[key] for key in now.metrics.keys() - before.metrics.keys()})
        if now.metrics or not metrics:
            self.write(now)

    def _told_before(self, now: Metrics) -> list[Metrics]:
        """Return what was told of the same before, by an older version as part of more, or in parts, if it is equal."""
        if now.told in self.before:
            found = [self.before[now.told]]
        else:
            same_step = self._before_by_step.get(now.step, ())
            found = [each for each in same_step if each.metrics.keys() & now.metrics.keys()]
        return found if all(each.same_but_for_time(now) for each in found) else []

    def artifact(self, name: str, folder: str | None = None) -> None:
        """Declare a file of the run; see `Artifact`."""
        self.write(Artifact(name, folder))

    def end(self, status: Status, reason: str | None = None) -> None:
        """Write the last event."""
        self.write(End(status, reason))

    def write(self, event: Event) -> None:
        """Append the event's line; one that can't be written waits, or is lost, if it is metrics and too many wait."""
        if len(self._lines.waiting) > WAITING_BYTES:
            self._lines.try_again()
        if isinstance(event, Metrics) and len(self._lines.waiting) > WAITING_BYTES:
            self._lost += 1
            return
        self._lines.append(line_of(event))
        if not isinstance(event, Start | Resume):  # which raise
            self._tell()

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

    def _tell(self) -> None:
        failure, self._failing, before = self._lines.failure, self._lines.failure is not None, self._failing
        if failure is not None and not before:
            log.warning(f"{self.path}: {failure.strerror}; what it has to say waits in memory until it can be written")
        elif failure is None and before:
            log.warning(f"{self.path}: written again, with all that had to wait")


def missing(lines: bytes, lost: int) -> str:
    """Say what journal lines that were not written would have told, beside so many metrics events that are lost."""
    events = [parse(line) for line in lines.splitlines()]
    kinds = {event.event for event in events if event is not None}
    steps = [event.step for event in events if isinstance(event, Metrics)]
    what = [f"metrics from step {min(steps):,} on"] if steps else []
    what += [f"{lost:,} records of metrics, for want of memory"] if lost else []
    what += ["the run's end"] if End.event in kinds else []
    return f"it lacks {len(events) + lost:,} events: {', '.join(what) or ', '.join(sorted(kinds))}"
