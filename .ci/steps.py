#!/usr/bin/env python3
"""What CI runs, here and on GitHub: the README's commands in a fresh copy of the repository, then lint and types.

The tracked files are copied as they are, changes that aren't committed too, to a new folder. There the commands of the
READMEs are typed word for word: the installation, the quick start, the tests, the long tests; then lint and types. The
environment is the copy's own `.venv`. What lies beside the checkout is handed on by variables, so that no test is
skipped for having been copied. Exit code 0 if all went well; all steps are run, but for those after a failed
installation.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"MNIST_ROOT": "../shared/mnist", "MNIST_TRAINER_SLURM": "../shared/slurm/start"}
# Programs that tests use, and the Debian packages that have them
PACKAGES = {
    "git": "git",
    "chromium": "chromium",
    "slurmctld": "slurm-wlm",
    "munged": "munge",
    "postgres": "postgresql",
}


def section(readme: str, title: str) -> list[str]:
    """Return the commands under a title of a README."""
    text = (ROOT / readme).read_text()
    (body,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```bash\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def commands() -> list[str]:
    """Return what is typed, in order."""
    typed = section("README.md", "Quick start")
    return [*typed, "ruff format --check", *section("tests/README.md", "How to contribute")]


def copy(folder: Path) -> None:
    """Copy the tracked files as they are."""
    listed = ["git", "-c", "safe.directory=*", "ls-files", "-z"]  # the checkout may be another user's
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():  # what was removed is tracked until it is committed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def environment(folder: Path, cache: Path) -> dict[str, str]:
    """Return the variables of the commands: none of the user's files is read or written."""
    kept = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_TRACKING_URI", "VIRTUAL_ENV")}
    for variable, place in BESIDE.items():
        beside = Path(kept.get(variable) or ROOT / place)
        if beside.exists():
            kept[variable] = str(beside.resolve())  # a relative one would lead astray
    path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "XDG_CACHE_HOME": str(cache), "PATH": path, "PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def install_packages() -> None:
    """Install the programs that tests use, where this is root's Debian, and only what lacks."""
    lacking = sorted({package for program, package in PACKAGES.items() if not shutil.which(program)})
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "--yes", *lacking], check=True)


def main() -> int:
    """Run it all; return the exit code."""
    install_packages()
    results = []
    with tempfile.TemporaryDirectory(prefix="mnist_trainer-ci-") as place:
        folder = Path(place) / "mnist_trainer"
        copy(folder)
        variables = environment(folder, Path(place) / "cache")
        for command in commands():
            print(f"\n$ {command}", flush=True)
            started = time.monotonic()
            code = subprocess.run(["bash", "-c", command], cwd=folder, env=variables, check=False).returncode
            results.append((command, code, time.monotonic() - started))
            if code and "pip install" in command:
                break
    print()
    for command, code, seconds in results:
        print(f"{'ok' if code == 0 else f'exit code {code}':>12} {seconds:6.1f} s  {command}")
    return int(any(code for _, code, _ in results))


if __name__ == "__main__":
    sys.exit(main())
