"""A journal as everybody but its writer has it: its events, its first and its last one, and whether somebody writes."""

import logging
import os
import socket
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from mnist_trainer.files import JOURNAL, open_file
from mnist_trainer.journal.events import (
    WRITER,
    Artifact,
    Confusion,
    End,
    Event,
    Metrics,
    Params,
    Resume,
    Start,
    Tags,
    now_ms,
    parse,
)
from mnist_trainer.journal.locks import is_locked

CHUNK_BYTES = 1 << 16
LONGEST_LINE = 1 << 22  # bytes; the confusion matrix of 256 classes has a tenth of that
SILENT_SECONDS = 3600.0

Series = list[tuple[int, float]]  # (step, value)

log = logging.getLogger(__name__)


def read_events(path: Path, offset: int = 0, limit: int | None = None) -> tuple[list[Event], int]:
    """Return the whole lines from byte `offset` on, and the offset after them; half a last line is left.

    With `limit`, about so many bytes at most. Lines that aren't events are skipped, with a warning.
    """
    events, end = [], offset
    with open_file(path) as file:
        file.seek(offset)
        for line, size in whole_lines(file):
            end += size
            event = parse(line)
            if event is not None:
                events.append(event)
            elif line.strip():
                log.warning("%s: skipped a line that is not an event: %r", path, line[:80])
            if limit is not None and end - offset >= limit:
                break
    return events, end


def read_start(folder: Path) -> Start | None:
    """Return a journal's first event, `resumed` or not, with what the last `resume` changed; None without a start."""
    with open_file(folder / JOURNAL) as file:
        lines = whole_lines(file)
        start = parse(next(lines, (b"", 0))[0])
        if not isinstance(start, Start):
            return None
        events = (parse(line) for line, _ in lines if line.startswith(b'{"event":"resume"'))
        resumes = [event for event in events if isinstance(event, Resume)]
    if not resumes:
        return start
    return replace(start, resumed=True, **{name: getattr(resumes[-1], name) for name in WRITER})


def read_end(folder: Path) -> End | None:
    """Return a journal's last event if it is the end; None if it has none, or there is no journal."""
    if not (folder / JOURNAL).exists():
        return None
    with open_file(folder / JOURNAL) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - CHUNK_BYTES))
        *_, last = [b"", *file.read().splitlines(keepends=True)]
    event = parse(last) if last.endswith(b"\n") else None
    return event if isinstance(event, End) else None


def is_alive(folder: Path) -> bool:
    """Whether a process on this host is writing the folder's journal."""
    return is_locked(folder / JOURNAL)


def whole_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the whole lines, of one too long for an event its beginning, and their sizes; not half a last line."""
    while line := file.readline(LONGEST_LINE):
        piece, size = line, len(line)
        while not piece.endswith(b"\n"):
            piece = file.readline(LONGEST_LINE)
            if not piece:
                return
            size += len(piece)
        yield line, size


@dataclass
class JournalContent:
    """All that a journal says about its run."""

    start: Start | None = None
    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Series] = field(default_factory=lambda: defaultdict(list))
    confusion: Confusion | None = None
    artifacts: list[Artifact] = field(default_factory=list)
    last_time: int = 0  # of the last event, in ms
    end: End | None = None


def read_journal(folder: Path) -> JournalContent:
    """Return the folder's journal, as far as it is written; raises FileNotFoundError if there is none."""
    history = JournalContent()
    for event in read_events(folder / JOURNAL)[0]:
        history.last_time = max(history.last_time, event.time)
        match event:
            case Start():
                history.start = event
            case Params():
                history.params.update(event.params)
            case Tags():
                history.tags.update(event.tags)
            case Metrics():
                for key, value in event.metrics.items():
                    history.metrics[key].append((event.step, value))
            case Confusion():
                history.confusion = event
            case Artifact():
                history.artifacts.append(event)
            case End():
                history.end = event
    return history


def is_running(folder: Path, start: Start) -> bool:
    """Whether the journal's writer lives: it holds the lock, or is another host's and wrote within the hour.

    Locks of one host need not be seen on another that shares the folder.
    """
    if is_alive(folder):
        return True
    silence = now_ms() / 1000 - (folder / JOURNAL).stat().st_mtime
    return start.host != socket.gethostname() and silence < SILENT_SECONDS
