"""What the training process takes of its machine, from the standard library alone."""

import os
import resource
import sys
import time
from pathlib import Path

CPU = "system/process_cpu_percentage"
MEMORY = "system/process_memory_megabytes"


class Load:
    """Measures this process; a team's other processes are not counted."""

    def __init__(self) -> None:
        self._before = time.perf_counter(), time.process_time()

    def measure(self) -> dict[str, float]:
        """Return the CPU time since the last measurement, 100 a processor, and the memory that is held now."""
        (wall, cpu), self._before = self._before, (time.perf_counter(), time.process_time())
        seconds = self._before[0] - wall
        return {CPU: 100 * (self._before[1] - cpu) / seconds if seconds else 0.0, MEMORY: resident_bytes() / 1e6}


def resident_bytes() -> int:
    """Return how much memory this process holds; where that can't be told, the most that it ever did."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
