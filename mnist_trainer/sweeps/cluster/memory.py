"""Whether a job was killed for its memory, by what Slurm wrote last into its output.

Slurm's state is FAILED, not OUT_OF_MEMORY, where what was killed is not the job's script but what this runs by `srun`,
as submitit's does; and where Slurm itself kills (`OverMemoryKill`), not the kernel.
"""

import os
import re
from itertools import takewhile
from pathlib import Path

from mnist_trainer.files import open_file

SLURMS_LINE = re.compile(r"(srun|slurmstepd\S*): ")
OF_MEMORY = re.compile(r"oom.?kill|out of memory|exceeded (job )?memory limit", re.IGNORECASE)
TAIL_BYTES = 10_000


def ran_out_of_memory(outputs: Path, name: str) -> bool:
    """Tell it of the job whose output is in this folder, by Slurm's name of it.

    One that was requeued since has written something after those lines.
    """
    try:
        paths = list(outputs.glob(f"{name}_*_log.*"))
        last = max(paths, key=lambda path: path.stat().st_mtime_ns, default=None)
        lines = [] if last is None else read_tail(last).splitlines()
    except OSError:
        return False
    return any(OF_MEMORY.search(line) for line in takewhile(SLURMS_LINE.match, reversed(lines)))


def read_tail(path: Path) -> str:
    """Return the end of a file."""
    with open_file(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return file.read().decode(errors="replace")
