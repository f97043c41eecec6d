"""What the figures were measured on: the processor, its caches, the system's load."""

import os

from mnist_trainer.kernels.cache import CACHES
from mnist_trainer.runs.provenance import logical_cpus, processor_name


def caches() -> list[str]:
    """List the first processor's caches, as Linux tells them; none elsewhere."""
    found = []
    for folder in sorted(CACHES.glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        found.append(f"L{level}{'' if kind == 'Unified' else kind[0].lower()} {size.replace('K', ' kB')}")
    return found


def described() -> str:
    """Say it in a sentence."""
    return f"{processor_name()}, {logical_cpus()}; caches of the first: {', '.join(caches()) or 'not known'}"


def load() -> str:
    """Say how busy the machine has been."""
    return "load of the last 1, 5, 15 minutes: " + ", ".join(f"{load:.1f}" for load in os.getloadavg())
