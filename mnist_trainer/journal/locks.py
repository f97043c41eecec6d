"""Locks between processes: `flock` on a file, which the kernel frees when its holder dies."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

PROBE_SECONDS = 0.02


def try_lock(path: Path) -> int | None:
    """Take the lock file `path` (made if missing): the descriptor that holds it, None if another does."""
    descriptor, held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), False
    try:
        held = lock_descriptor(descriptor, wait_seconds=0.0)
    finally:
        if not held:
            os.close(descriptor)
    return descriptor if held else None


def is_locked(path: Path) -> bool:
    """Whether a process holds the exclusive lock of the file `path`; False if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two onlookers don't take one another for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_descriptor(descriptor: int, wait_seconds: float) -> bool:
    """Take the exclusive lock of an open file, waiting for onlookers (`is_locked`) to go; False if held."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PROBE_SECONDS)
        else:
            return True


@contextlib.contextmanager
def locked(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the lock file `path` for the block; raises TimeoutError if another holds it for too long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not lock_descriptor(descriptor, wait_seconds):
            raise TimeoutError(f"{path}: another process has held this lock for {wait_seconds:.0f} s")
        yield
    finally:
        os.close(descriptor)
