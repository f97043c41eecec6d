"""The commands that are printed at a run's end work when they are pasted."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_trainer.runs.next_steps import next_serve_command, predict_command
from tests.inference.drawing import drawn


@pytest.mark.long
def test_the_printed_command_predicts(command, tmp_path):
    done = command("data=digits", "epochs=1", "tracking=off", "model.hidden=[8]")
    (line,) = [line.strip() for line in done.output.splitlines() if "task=predict" in line]
    assert line == predict_command(done.run)
    drawn().save(tmp_path / "mine.png")
    pasted = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert pasted.returncode == 0, pasted.stderr
    assert "mine.png" in pasted.stdout


@pytest.mark.parametrize("on_path", [True, False])
def test_serving_finds_its_programs_and_the_store(monkeypatch, tmp_path, on_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", *[programs] * on_path]))
    line = next_serve_command(f"sqlite:///{tmp_path}/outputs/mlflow.db", "0123")
    first, *others = shlex.split(line)
    assert first == "MLFLOW_TRACKING_URI=sqlite:///outputs/mlflow.db"
    assert (others[0] == f"PATH={programs}:$PATH") == (not on_path)
    assert others[-8:] == [
        *("models", "serve", "-m", "runs:/0123/model", "--env-manager", "local", "--port", "5001"),
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert "MLFLOW_TRACKING_URI" not in next_serve_command("http://tracking:5000", "0123")
