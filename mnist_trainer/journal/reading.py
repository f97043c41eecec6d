"""A journal as everybody but its writer has it: its events, its first and its last one, and whether somebody writes."""

import logging
import os
from pathlib import Path

from mnist_trainer.files import open_file
from mnist_trainer.journal.events import WRITER, Event, parse, whole_lines
from mnist_trainer.journal.journal import FILE
from mnist_trainer.journal.locks import is_locked

CHUNK_BYTES = 1 << 16

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


def read_start(folder: Path) -> Event | None:
    """Return a journal's first event, `resumed` or not, with what the last `resume` changed; None without a start."""
    with open_file(folder / FILE) as file:
        lines = whole_lines(file)
        start = parse(next(lines, (b"", 0))[0])
        if start is None or start["event"] != "start":
            return None
        resumes = [event for line, _ in lines if line.startswith(b'{"event":"resume"') and (event := parse(line))]
    last = {name: resumes[-1][name] for name in WRITER} if resumes else {}
    return start | {"resumed": bool(resumes)} | last


def read_end(folder: Path) -> Event | None:
    """Return a journal's last event if it is the end; None if it has none, or there is no journal."""
    if not (folder / FILE).exists():
        return None
    with open_file(folder / FILE) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - CHUNK_BYTES))
        *_, last = [b"", *file.read().splitlines(keepends=True)]
    event = parse(last) if last.endswith(b"\n") else None
    return event if event is not None and event["event"] == "end" else None


def is_alive(folder: Path) -> bool:
    """Whether a process on this host is writing the folder's journal."""
    return is_locked(folder / FILE)
