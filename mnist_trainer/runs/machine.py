"""The machine and the libraries that numbers were measured on, in words for a report."""

import os
import platform
import sys
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from mnist_trainer import __version__
from mnist_trainer.runs.cpus import usable_cpus


def machine() -> dict[str, str]:
    """Tell processor, system, versions, the library of the matrix products, and the command."""
    return {
        "processor": f"{processor()}, {logical_cpus()}",
        "system": platform.platform(),
        "versions": ", ".join(
            [f"mnist_trainer {__version__}", f"Python {platform.python_version()}", f"NumPy {np.__version__}", blas()]
        ),
        "command": " ".join(["python -m mnist_trainer", *sys.argv[1:]]),
    }


def processor() -> str:
    """Return the processor's name as Linux tells it; elsewhere its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def logical_cpus() -> str:
    """Return how many logical CPUs there are, threads of a core counted each; and how many this process may use."""
    total, usable = os.cpu_count() or 1, usable_cpus()
    return f"{'' if usable == total else f'{usable:,} of '}{total:,} logical CPU{'' if total == 1 else 's'}"


def blas() -> str:
    """Return the library of the matrix products and the number of threads that it takes."""
    for library in threadpool_info():
        if library["user_api"] == "blas":
            threads = library["num_threads"]
            version = f" {library['version']}" if library["version"] else ""
            return f"{library['internal_api']}{version} on {threads} thread{'' if threads == 1 else 's'}"
    return "a BLAS that doesn't tell its name"
