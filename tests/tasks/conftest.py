"""What the tasks' tests share: a small configuration, and a training run on it in this process."""

import copy
import functools

import numpy as np
import pytest

from mnist_trainer.composition import compose
from mnist_trainer.tasks.train import train
from mnist_trainer.tracking.journal import TIMED

TINY = ("data=digits", "tracking=off", "model.hidden=[8]", "epochs=2", "trainer.progress=false")


@functools.cache
def composed(choices):
    return compose([*TINY, *choices])


@pytest.fixture
def configured():
    """Return the small configuration with these choices of groups, and these values changed."""

    def make(*choices, **values):
        config = copy.deepcopy(composed(choices))
        for key, value in values.items():
            *path, last = key.split("__")
            setattr(functools.reduce(getattr, path, config), last, value)
        return config

    return make


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train in a new folder; return the result and the folder."""
    monkeypatch.chdir(tmp_path)

    def start(config, name="run"):
        folder = tmp_path / name
        folder.mkdir()
        return train(config, folder), folder

    return start


@pytest.fixture
def metrics_of(events_of):
    """Read a metric's (step, value) pairs from a run's journal."""

    def read(folder, name):
        metrics = [(event["step"], event["metrics"]) for event in events_of(folder, "metrics")]
        return [(step, values[name]) for step, values in metrics if name in values]

    return read


@pytest.fixture
def parameters_of():
    """Read the arrays of a parameter file."""

    def read(path):
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    return read


@pytest.fixture
def content(events_of, parameters_of):
    """What a run's folder tells, without times."""

    def read(folder):
        metrics = [
            (event["step"], {key: value for key, value in event["metrics"].items() if key not in TIMED})
            for event in events_of(folder, "metrics")
        ]
        parameters = {
            f"{name}/{key}": array.tobytes()
            for name in ("last.npz", "best.npz")
            for key, array in parameters_of(folder / name).items()
        }
        ends = [(event["status"], event["reason"]) for event in events_of(folder, "end")]
        return metrics, parameters, ends, len(events_of(folder, "start"))

    return read
