"""A run that an earlier version left behind: `run_of_0.1.0` was killed in its last epoch, `end.npz` is how it ended."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer.errors import DataError
from mnist_trainer.files import CHECKPOINT
from mnist_trainer.runs.checkpoints import RunCheckpoint
from mnist_trainer.training.checkpoint import Checkpoint

OLDER = Path(__file__).parent / "run_of_0.1.0"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(OLDER, tmp_path / "outputs" / "2026-11-25" / "a-run")


def test_its_checkpoint_goes_on_to_where_it_would_have_ended(command, events_of, parameters_of, folder):
    done = command(f"resume={folder}")
    assert done.code == 0, done.output
    assert "goes on after update 22, in epoch 3 of 3" in done.output
    assert json.loads((folder / "outcome.json").read_text())["updates"] == 33
    steps = [event["step"] for event in events_of(folder, "metrics") if "train/loss" in event["metrics"]]
    assert steps == [8, 11, 16, 22, 24, 32, 33]
    found, expected = parameters_of(folder / "last.npz"), parameters_of(OLDER / "end.npz")
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("part", ["trainer", "config", "processes"])
def test_a_checkpoint_that_lacks_something_is_refused_by_name(folder, part):
    whole = Checkpoint.load(folder / CHECKPOINT)
    lacking = {key: value for key, value in whole.document.items() if key != part}
    Checkpoint(whole.arrays, lacking).save(folder)
    with pytest.raises(DataError, match=rf"{CHECKPOINT}: .*{part}"):
        RunCheckpoint.load(folder / CHECKPOINT)
