"""What stands before the first update: no module and no search that a plain run has no use for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import gc, json, sys
from dataclasses import dataclass
from mnist_trainer.registry import register_callback
from mnist_trainer.training.trainer import Callback

@register_callback("watch")
@dataclass
class Watch(Callback):
    def __post_init__(self):
        self.seen = False

    def on_update(self, samples):
        if not self.seen:
            self.seen = True
            told = {"modules": sorted(sys.modules), "collects": gc.isenabled(), "spared": gc.get_freeze_count()}
            print("SEEN " + json.dumps(told), flush=True)
"""


def seen_at_first_updates(folder, *more):
    """Run a job or several; return what each has seen."""
    (folder / "watching.py").write_text(WATCH)
    arguments = [
        "data=digits",
        "epochs=1",
        "model.hidden=[4]",
        "plugins=[watching]",
        "trainer.callbacks=[{kind: watch}]",
        *more,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mnist_trainer", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line.removeprefix("SEEN ")) for line in done.stdout.splitlines() if line.startswith("SEEN ")]


@pytest.fixture(scope="module")
def first_update(tmp_path_factory):
    """Tell what a plain run has done at its first update."""
    (seen,) = seen_at_first_updates(tmp_path_factory.mktemp("start"))
    return seen


def test_no_library_is_loaded_that_the_first_update_does_without(first_update):
    assert "numpy" in first_update["modules"]
    heavy = {"tqdm", "mlflow", "matplotlib", "sqlite3", "asyncio", "urllib.request", "ssl", "optuna", "scipy", "pandas"}
    assert heavy & set(first_update["modules"]) == set()


def test_no_room_is_loaded_that_training_does_without(first_update):
    rooms = {name for name in first_update["modules"] if name.startswith("mnist_trainer.")}
    assert "mnist_trainer.training.trainer" in rooms
    assert not {name for name in rooms if name.startswith(("mnist_trainer.analysis", "mnist_trainer.figures"))}
    assert not rooms & {"mnist_trainer.bar", "mnist_trainer.sweeps.beginning", "mnist_trainer.sweeps.composed"}


def test_the_garbage_collector_works_and_leaves_alone_what_was_made_before_the_job(first_update):
    assert first_update["collects"]
    assert first_update["spared"] > 50_000


@pytest.mark.long
def test_what_composing_a_sweep_s_jobs_leaves_is_collected(first_update, tmp_path):
    first, *_ = seen_at_first_updates(tmp_path, "--multirun", "seed=" + ",".join(map(str, range(20))), "tracking=off")
    assert first["collects"]
    assert first["spared"] < first_update["spared"] + 60_000  # each of twenty jobs left 11,000
