"""Where a run's numbers come from: code, versions, machine, and the resolved configuration."""

import getpass
import os
import platform
import shlex
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import hydra
import numpy as np
from threadpoolctl import threadpool_info

from mnist_trainer import __version__
from mnist_trainer.config import Config, flattened_config
from mnist_trainer.runs.cores import usable_cpus


def machine_tags() -> dict[str, str]:
    """Tell host, processors, versions but MLflow's (the shipper knows it), command line and git commit."""
    return {
        "mlflow.user": user_name(),
        "mlflow.source.name": "mnist_trainer",
        "mlflow.source.type": "LOCAL",
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "processors": str(os.cpu_count()),
        "command": shlex.join(["python", "-m", "mnist_trainer", *sys.argv[1:]]),
        "version.python": platform.python_version(),
        "version.mnist_trainer": __version__,
        "version.numpy": np.__version__,
        "version.hydra": hydra.__version__,
    } | git_tags(Path(__file__).parent)


def user_name() -> str:
    """Return the user's name, or number where it has none, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def git_tags(folder: Path) -> dict[str, str]:
    """Tell the commit of the checkout that holds a folder, and whether files differ from it; {} where there is none."""
    try:
        commit, branch = _git(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD").splitlines()
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return {
        "git.commit": commit,
        "git.dirty": str(bool(changes)).lower(),
        "mlflow.source.git.commit": commit,  # these two MLflow's pages show as source and version
        "mlflow.source.git.branch": branch,
    }


def _git(folder: Path, *asked: str) -> str:
    command = ["git", "-C", str(folder), *asked]
    done = subprocess.run(command, capture_output=True, timeout=5, check=True)
    return done.stdout.decode(errors="replace").strip()


def run_params(config: Config) -> dict[str, object]:
    """Return all values of a configuration by dotted key; lists become JSON."""
    return flattened_config(asdict(config))


def machine_facts() -> dict[str, str]:
    """Tell processor, system, versions, the library of the matrix products, and the command."""
    return {
        "processor": f"{processor_name()}, {logical_cpus()}",
        "system": platform.platform(),
        "versions": ", ".join(
            [f"mnist_trainer {__version__}", f"Python {platform.python_version()}", f"NumPy {np.__version__}", blas()]
        ),
        "command": shlex.join(["python", "-m", "mnist_trainer", *sys.argv[1:]]),
    }


def processor_name() -> str:
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
    try:
        libraries = threadpool_info()
    except Exception:  # as in `cores.product_limits`
        libraries = []
    for library in libraries:
        if library["user_api"] == "blas":
            threads = library["num_threads"]
            version = f" {library['version']}" if library["version"] else ""
            return f"{library['internal_api']}{version} on {threads} thread{'' if threads == 1 else 's'}"
    return "a BLAS that doesn't tell its name"
