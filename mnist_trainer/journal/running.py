"""Whether a journal's writer lives, on this host or on another."""

import socket
from pathlib import Path

from mnist_trainer.journal.events import Event
from mnist_trainer.journal.journal import FILE, now_ms
from mnist_trainer.journal.reading import is_alive

SILENT_SECONDS = 3600.0


def is_running(folder: Path, start: Event) -> bool:
    """Whether the journal's writer lives: it holds the lock, or is another host's and wrote within the hour.

    Locks of one host need not be seen on another that shares the folder.
    """
    if is_alive(folder):
        return True
    silence = now_ms() / 1000 - (folder / FILE).stat().st_mtime
    return bool(start["host"] != socket.gethostname() and silence < SILENT_SECONDS)
