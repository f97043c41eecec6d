"""Processes of this machine, as Linux tells of them: when one began, and which one has opened a run in MLflow."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

CLIENTS = re.compile(r"(python|pypy)[\w.-]*|java|R")
"""Programs for which MLflow has a client."""


@dataclass(frozen=True)
class Process:
    """A process; the time it began at, in clock ticks since the boot, tells it from a later one with its number."""

    pid: int
    began: int

    @property
    def lives(self) -> bool:
        """Whether it is still there."""
        return self.began > 0 and began(self.pid) == self.began


def began(pid: int | None = None) -> int:
    """When a process, by default this one, began, in clock ticks since the boot; 0 if that can't be known."""
    return _number(pid, 19)


def opener_of(run_id: str) -> Process | None:
    """Return the process that has named the run in MLFLOW_RUN_ID to this one, if it can have opened it.

    That is the nearest one, from this upwards, which did not find it in its own environment when it began. None if
    it is a shell, say, that was told of a run, or if this system doesn't tell.
    """
    pid = os.getpid()
    while pid > 1:
        variables = _environment(pid)
        if variables is None:
            return None
        if f"MLFLOW_RUN_ID={run_id}".encode() not in variables:
            return Process(pid, began(pid)) if _is_client(pid) else None
        pid = _number(pid, 1)
    return None


def _number(pid: int | None, index: int) -> int:
    """Return one of the numbers behind a process's name in its `stat`."""
    try:
        stat = Path(f"/proc/{'self' if pid is None else pid}/stat").read_bytes()
        return int(stat.rpartition(b")")[2].split()[index])
    except (OSError, IndexError, ValueError):
        return 0


def _environment(pid: int) -> list[bytes] | None:
    """Return what a process found in its environment when it began; None if that can't be read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None


def _is_client(pid: int) -> bool:
    try:
        return CLIENTS.fullmatch(Path(f"/proc/{pid}/exe").readlink().name) is not None
    except OSError:
        return False
