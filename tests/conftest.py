"""What several rooms' tests share."""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: tests share the processors among themselves
os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # a server starts in half the time

for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
    os.environ.pop(name, None)  # whose tests they are set in

import numpy as np
import pytest
from hypothesis import settings

from mnist_trainer import registry
from mnist_trainer.credentials import STORES
from mnist_trainer.training.interruption import SIGNALS

pytest_plugins = ["tests.fixtures.runs", "tests.fixtures.journals"]


def pytest_xdist_auto_num_workers():
    """As many processes as there are processors to use: `-n auto` would count cores, which are fewer."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(len(usable), 8)  # what some tests take of memory, or of disks


settings.register_profile("mnist_trainer", deadline=None, derandomize=True, database=None, max_examples=15)
settings.load_profile("mnist_trainer")


@pytest.fixture(scope="session")
def assert_is_gradient():
    """Fail unless `gradient` is d value()/d x, by central differences along random directions in float64.

    `value` reads x, which is moved in place. A standard normal direction d gives |Δ·d| ≈ ‖Δ‖ for an error Δ.
    """

    def check(value, x, gradient, *, step=1e-5, directions=8):
        assert x.dtype == np.float64
        assert gradient.shape == x.shape
        start, gradient, rng = x.copy(), gradient.copy(), np.random.default_rng(0)
        bound = 1e-7 * float(np.linalg.norm(gradient)) + 1e-9
        for _ in range(directions):
            direction = rng.standard_normal(x.shape)
            h = step / np.linalg.norm(direction)
            x[...] = start + h * direction
            above = value()
            x[...] = start - h * direction
            below = value()
            x[...] = start
            numeric = (above - below) / (2 * h)
            assert abs(numeric - float(np.sum(gradient * direction))) <= bound

    return check


@dataclass(frozen=True)
class Done:
    """A command that ended: its exit code, what it printed, and the folder it ran in."""

    code: int
    output: str
    folder: Path

    @property
    def folders(self):
        """The folders of runs, or of a sweep, that it left behind."""
        return sorted(path for path in self.folder.glob("outputs/[0-9]*/*") if path.is_dir())

    @property
    def run(self):
        """The one folder that it left."""
        (folder,) = self.folders
        return folder


@pytest.fixture(autouse=True)
def what_is_registered_ends_with_the_test(monkeypatch, tmp_path_factory):
    """Forget what a test registered, and the modules that it imported from its folders: the next may use the names."""
    names = (registry.layers, registry.losses, registry.optimizers, registry.schedules)
    for one in (*names, registry.datasets, registry.callbacks):
        monkeypatch.setattr(one, "_classes", dict(one._classes))
    monkeypatch.setattr(registry, "tails", dict(registry.tails))
    before, folders = set(sys.modules), str(tmp_path_factory.getbasetemp())
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(folders):
            del sys.modules[name]


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Run `python -m mnist_trainer ARGUMENTS` in a new folder, but in this process: it takes 0.4 s instead of 1.5."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra._internal.hydra import Hydra
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.plugins import Plugins

    from mnist_trainer import __main__ as entry
    from mnist_trainer.sweeps.sweep import Sweep
    from mnist_trainer.tasks import dispatch

    Plugins.instance()  # it makes the sweeper's class anew, the first time
    for name in ("MNIST_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, folder=tmp_path):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", sys.path[:])  # plugins add the working directory
        monkeypatch.setattr(sys, "argv", ["mnist_trainer", *arguments])
        monkeypatch.setattr(dispatch, "begun", False)
        monkeypatch.setattr(dispatch, "exit_code", 0)
        monkeypatch.setattr(dispatch, "error", None)
        check = BasicSweeper.validate_batch_is_legal
        monkeypatch.setattr(BasicSweeper, "validate_batch_is_legal", check)  # as this
        monkeypatch.setattr(Hydra, "get_mode", Hydra.get_mode)  # the command replaces it; this takes it back
        monkeypatch.setattr(ConfigStore, "__deepcopy__", None, raising=False)  # None is none; this, too, is taken back
        monkeypatch.setattr(Sweep, "failed_jobs", 0)
        monkeypatch.setattr(Sweep, "current", None)
        for name, value in {"HYDRA_FULL_ERROR": "1", STORES: ""}.items():
            monkeypatch.setenv(name, value)  # the command sets it; this takes it back
        root, hydra_state = logging.getLogger(), GlobalHydra.instance().hydra
        handlers, level = root.handlers[:], root.level
        answers = {number: signal.getsignal(number) for number in SIGNALS}
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as end:
                entry.main()
        finally:
            for number, answer in answers.items():
                signal.signal(number, answer)
            for handler in set(root.handlers) - set(handlers):
                handler.close()
            root.handlers, root.level = handlers, level
            GlobalHydra.instance().hydra = hydra_state
            HydraConfig.instance().cfg = None
        printed = capfd.readouterr()
        return Done(end.value.code, printed.out + printed.err, folder)

    return run


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A copy of `conf/` to change, which the command takes for its own."""
    from mnist_trainer import composition
    from mnist_trainer.sweeps import beginning, replaced

    copy = shutil.copytree(composition.conf_folder(), tmp_path / "conf")
    for module in (composition, beginning, replaced):
        monkeypatch.setattr(module, "conf_folder", lambda: copy)
    return copy


@pytest.fixture
def start():
    """Start a process as `Popen` does; what still runs at the test's end is killed with its group, and waited for."""
    with contextlib.ExitStack() as ends:

        def started(command, **options):
            process = subprocess.Popen(command, **options)
            ends.callback(end, process)
            return process

        yield started


def end(process):
    """Kill a process if it still runs, and its group if it leads one; wait for it, and close its pipes."""
    if process.poll() is None:
        leads = os.getpgid(process.pid) == process.pid
        os.killpg(process.pid, signal.SIGKILL) if leads else process.kill()
    process.wait()
    for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
        pipe.close()


@pytest.fixture
def spawn(tmp_path, start):
    """Start `python -m mnist_trainer ARGUMENTS` in a process of its own; whatever still runs is ended with the test."""

    def spawned(*arguments, folder=tmp_path, before=("-m", "mnist_trainer")):
        folder.mkdir(exist_ok=True)
        environment = {key: os.environ[key] for key in os.environ if key not in ("MNIST_ROOT", "MLFLOW_TRACKING_URI")}
        return start(
            [sys.executable, *before, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # also where nohup runs the tests
        )

    return spawned


@pytest.fixture
def wait_for():
    """Wait until `happened` returns something, and return it; not for ever, but longer than a busy machine takes."""

    def wait(happened, process):
        until = time.monotonic() + 300
        while time.monotonic() < until and process.poll() is None:
            if found := happened():
                return found
            time.sleep(0.02)
        process.kill()
        raise AssertionError(f"it did not happen; the command printed {process.communicate()[0]}")

    return wait


@pytest.fixture
def events_of():
    """Read a run's journal; with a kind, the events of that kind."""

    def read(folder, kind=None):
        events = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        return [event for event in events if kind in (None, event["event"])]

    return read
