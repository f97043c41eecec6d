"""The process is not ours alone: `compose` and `train` within others' applications, threads, pools and notebooks."""

import io
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hydra import compose as their_compose
from hydra import initialize_config_dir, version
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf.basecontainer import BaseContainer
from threadpoolctl import threadpool_info, threadpool_limits

from mnist_trainer.api import compose, train
from mnist_trainer.composition import copied
from mnist_trainer.training.interruption import SIGNALS

TINY = ("data=digits", "model.hidden=[8]", "epochs=1", "tracking=off")


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder of another application's, whose config.yaml has groups of the same names."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "theirs"
    (folder / "model").mkdir(parents=True)
    (folder / "config.yaml").write_text("defaults: [model: mlp, _self_]\nepochs: none\n")
    (folder / "model" / "mlp.yaml").write_text("theirs: true\n")
    return str(folder)


def of_the_process():
    """What a guest leaves as it was."""
    return (
        [signal.getsignal(number) for number in SIGNALS],
        [(each.level, each.handlers[:], each.propagate) for each in map(logging.getLogger, ("", "mnist_trainer"))],
        [random.getstate(), np.random.get_state()[1].tolist()],  # noqa: NPY002  (the caller's own)
        [os.getcwd(), sys.argv[:], sys.path[:], dict(os.environ)],  # noqa: PTH109
        [sys.stdout, sys.stderr, sys.excepthook, warnings.filters[:], np.geterr()],
        [each["num_threads"] for each in threadpool_info()],
        [GlobalHydra.instance().hydra, version.getbase()],
        [thread.name for thread in threading.enumerate()],
    )


def test_within_another_s_initialize_it_is_this_project_s_configuration(theirs):
    with initialize_config_dir(theirs, job_name="theirs", version_base="1.2"):
        before = of_the_process()
        assert compose(TINY).model.hidden == [8]
        assert train(*TINY).epochs == 1
        assert of_the_process() == before
        assert their_compose("config") == {"model": {"theirs": True}, "epochs": "none"}
        assert their_compose("config", return_hydra_config=True).hydra.job.name == "theirs"


def test_without_another_s_hydra_none_is_left(theirs):
    before = of_the_process()
    train(*TINY)
    assert of_the_process() == before
    assert not GlobalHydra.instance().is_initialized()


def test_a_sweeper_of_the_caller_s_that_is_called_optuna_stays_theirs(theirs, monkeypatch):
    monkeypatch.setattr(ConfigStore.instance(), "repo", copied(ConfigStore.instance().repo))
    ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node={"_target_": "theirs"})
    with initialize_config_dir(theirs, version_base="1.3"):
        assert compose(["experiment=tune_mlp"]).optimizer.name == "sgd"
        held = their_compose("config", ["hydra/sweeper=optuna"], return_hydra_config=True)
    assert held.hydra.sweeper == {"_target_": "theirs"}


def test_resolvers_of_the_caller_s_are_the_caller_s():
    ours = {name for name in BaseContainer._resolvers if not name.startswith(("oc.", "mnist_trainer."))}
    assert ours <= {"hydra", "now", "python_version", "ray_pkg_version"}  # Hydra's, and its plugins'


APPLICATION = """
import sys
import hydra
from hydra.core.hydra_config import HydraConfig
from mnist_trainer.api import train

@hydra.main(version_base=None, config_path=sys.argv.pop(1), config_name="config")
def application(config):
    result = train(*{given}, f"seed={{config.get('seed', 0)}}")
    print("it came to", result.name, "in", HydraConfig.get().job.name, dict(config))

application()
"""


@pytest.mark.long
@pytest.mark.parametrize("arguments", [pytest.param((), marks=pytest.mark.long), ("--multirun", "+seed=0,1")])
def test_within_another_hydra_application(theirs, tmp_path, arguments):
    script = tmp_path / "application.py"
    script.write_text(APPLICATION.format(given=TINY))
    done = subprocess.run([sys.executable, script, theirs, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "it came to mlp-fused-sgd-b128-s0 in application {'model': {'theirs': True}" in done.stdout
    assert done.stdout.count("it came to") == (2 if arguments else 1)


@pytest.mark.long
def test_threads_compose_and_train_at_once(theirs):
    barrier = threading.Barrier(3)

    def job(seed):
        barrier.wait()
        assert [compose([*TINY, f"seed={seed}"]).seed for _ in range(2)] == [seed] * 2
        return train(*TINY, f"seed={seed}", "trainer.threads=1").seed

    with threadpool_limits(2):
        before = of_the_process()
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(job, range(3))) == [0, 1, 2]
        assert of_the_process() == before


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys, caplog):
    """Train where logging is set up as given, pytest's aside; return what is printed, and what the caller's has."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()

    def training(*arguments, level, handlers):
        theirs = io.StringIO()
        monkeypatch.setattr(root, "handlers", [logging.StreamHandler(theirs)] * handlers)
        caplog.set_level(level)
        try:
            train(*TINY, *arguments)
        finally:
            monkeypatch.undo()
        return capsys.readouterr().out, theirs.getvalue()

    return training


WARNING = "its gradient is wrong on purpose"


@pytest.mark.parametrize("handlers", [0, 1])
def test_where_logging_shows_no_progress_it_is_printed_and_warnings_are_the_caller_s(printed, handlers):
    out, theirs = printed("loss=mistakes/diagonal", level=logging.WARNING, handlers=handlers)
    assert out.count("epoch   step train loss") == out.count("test loss") == 1
    assert (out.count(WARNING), theirs.count(WARNING)) == (1 - handlers, handlers)
    assert "test loss" not in theirs


def test_where_logging_shows_progress_it_is_left_to_that(printed):
    out, theirs = printed(level=logging.INFO, handlers=1)
    assert out == ""
    assert theirs.count("test loss") == 1


def test_a_level_that_the_logger_was_given_is_kept(printed, caplog):
    caplog.set_level(logging.WARNING, "mnist_trainer")
    assert printed(level=logging.WARNING, handlers=0) == ("", "")


SPAWNED = f"""
import multiprocessing
from multiprocessing import resource_tracker
multiprocessing.set_start_method("spawn")  # as in a process of a spawned pool
resource_tracker.register = lambda name, kind: print("registered", name)
from mnist_trainer.api import train
train(*{TINY!r}, "trainer.threads=2")
"""


@pytest.mark.long
def test_a_process_of_a_pool_leaves_nothing_behind_of_which_python_would_tell(tmp_path):
    done = subprocess.run([sys.executable, "-c", SPAWNED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "registered" not in done.stdout
