"""The commands that a user would type next, short, and right when they are pasted."""

import os
import shlex
import sys
from pathlib import Path

from mnist_trainer.credentials import hidden
from mnist_trainer.journal.address import ALLOW_FILES, SERVING_PORT, folder_path, is_server, sqlite_path
from mnist_trainer.words import command, given, shown


def predict_command(folder: Path) -> str:
    """Return the command that asks a run's model about a picture."""
    return command("mnist_trainer", "task=predict", given("checkpoint", shown(folder)), "images=[mine.png]")


def next_serve_command(uri: str, run_id: str) -> str:
    """Return the command that serves a run's model; it works without a shell's activation, too."""
    words = ["models", "serve", "-m", f"runs:/{run_id}/model", "--env-manager", "local", "--port", str(SERVING_PORT)]
    before = [] if os.environ.get("MLFLOW_TRACKING_URI") == uri else [f"MLFLOW_TRACKING_URI={shlex.quote(near(uri))}"]
    if folder_path(uri) is not None:
        before.append(f"{ALLOW_FILES}=true")
    programs = str(Path(sys.executable).parent)  # where MLflow looks for its server's program
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        before.append(f"PATH={shlex.quote(programs)}:$PATH")
    return " ".join([*before, command("mlflow", *words)])


def near(uri: str) -> str:
    """Return a store's address as it is shortest from here, without a password."""
    path = sqlite_path(uri)
    return hidden(uri) if path is None or is_server(uri) else f"sqlite:///{shown(path)}"
