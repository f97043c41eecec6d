"""Beside Hydra's own Optuna plugin, which wants an Optuna of years ago."""

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

pytestmark = pytest.mark.long


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Hydra's plugin where a process finds it, without what it asks for."""
    folder = tmp_path / "plugin"
    install = ["uv", "pip"] if shutil.which("uv") else [sys.executable, "-m", "pip"]
    wanted = ["install", "--no-deps", "--target", str(folder), "hydra-optuna-sweeper>=1.2,<2"]
    done = subprocess.run([*install, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"hydra-optuna-sweeper can't be installed: {done.stderr.strip()[-200:]}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))


def test_beside_hydras_own_plugin_ours_wins_and_says_so(spawn, plugin, tmp_path):
    tune = ("--multirun", "data=digits", "tracking=off", "model.hidden=[8]", "hydra/sweeper=optuna")
    space = ("optimizer.lr=tag(log,interval(1e-3,1))", "epochs=1", "hydra.sweeper.n_trials=1")
    process = spawn(*tune, *space, "hydra/sweeper/sampler=random", "hydra.sweeper.pruner=hyperband")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "this package's own sweeper; that of hydra-optuna-sweeper stands back" in output
    assert len(list(tmp_path.glob("outputs/2*/*/study.json"))) == 1
