import json
from pathlib import Path

import pytest

from mnist_trainer.hyperparameters import picked_hyperparameters
from mnist_trainer.runs.folder import OutcomeEnding
from mnist_trainer.sweeps.jobs import Figures, Job, read_jobs

BASE = {"status": "FINISHED", "reason": None, "overrides": [], "seed": 0, "training_seconds": 2.0, "test_loss": 0.1}


@pytest.fixture
def outcome():
    """Make what a finished job's outcome file says."""

    def make(accuracy, loss="fused", data="mnist", **more):
        return {"test_accuracy": accuracy, "loss": loss, "data": data, **more}

    return make


@pytest.fixture
def sweep(tmp_path):
    """Write a job's folder for each outcome; None: it left no outcome."""

    def write(*outcomes):
        for number, each in enumerate(outcomes):
            folder = tmp_path / f"{number}-run-{number}"
            folder.mkdir()
            if each is not None:
                content = {**BASE, "name": f"run-{number}", **each}
                (folder / "outcome.json").write_text(json.dumps(content))
        return read_jobs(tmp_path, None)

    return write


@pytest.fixture
def job():
    """A job as `loss=LOSS seed=SEED OTHERS` leaves it; without an accuracy it failed."""

    def make(loss, seed, accuracy=None, *others, choice=None, **more):
        overrides = [f"loss={choice or loss}", f"seed={seed}", *others]
        folder = Path(f"{loss}-{seed}")
        if accuracy is None:
            return Job(0, folder, OutcomeEnding("FAILED", "diverged", overrides), None)
        result = {**BASE, "loss": loss, "seed": seed, "data": "mnist", "test_accuracy": accuracy, **more}
        return Job(0, folder, OutcomeEnding("FINISHED", None, overrides), picked_hyperparameters(Figures, result))

    return make


@pytest.fixture
def no_picture(monkeypatch):
    """Drawing takes 2 s."""
    monkeypatch.setattr("mnist_trainer.sweeps.sweep.draw_sweep", lambda folder: None)
