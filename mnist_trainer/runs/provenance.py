"""Where a run's numbers come from: code, versions, machine, and the resolved configuration."""

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import hydra
import numpy as np

from mnist_trainer import __version__


def machine_tags() -> dict[str, str]:
    """Tell host, processors, versions but MLflow's (the shipper knows it), command line and git commit."""
    return {
        "mlflow.user": user(),
        "mlflow.source.name": "mnist_trainer",
        "mlflow.source.type": "LOCAL",
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "processors": str(os.cpu_count()),
        "command": " ".join(["python -m mnist_trainer", *sys.argv[1:]]),
        "version.python": platform.python_version(),
        "version.mnist_trainer": __version__,
        "version.numpy": np.__version__,
        "version.hydra": hydra.__version__,
    } | git_tags(Path(__file__).parent)


def user() -> str:
    """Return the user's name, or number where it has none, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def git_tags(folder: Path) -> dict[str, str]:
    """Tell the commit of the checkout that holds a folder, and whether files differ from it; {} where there is none."""
    git = ["git", "-C", str(folder)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git.commit": commit.stdout.strip(), "git.dirty": str(bool(status.stdout.strip())).lower()}


def flattened(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Flatten nested mappings to dotted keys; lists become JSON."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return flat
