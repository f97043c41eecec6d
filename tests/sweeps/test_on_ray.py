"""Sweeps on a cluster of Ray's: two real nodes, one of which has another host's name and starts jobs elsewhere."""

import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from omegaconf import OmegaConf

from mnist_trainer.errors import TrackingError
from mnist_trainer.journal.events import TIMED
from mnist_trainer.sweeps.on_ray import RAY, check_ray_address, join
from tests.sweeps.ray_cluster import SECOND, free_port, ray_cluster

TINY = ["data=digits", "model.hidden=[8]", "epochs=3", "trainer.progress=false", "plugins=[observed]"]
ON_RAY = ["hydra/launcher=ray", "hydra.launcher.ray.init.address=auto"]
OBSERVED = """
import json, os, socket, time
from contextlib import suppress
from pathlib import Path
from threadpoolctl import threadpool_info
from mnist_trainer.training.trainer import Trainer
HERE = Path(__file__).parent
update = Trainer.update

def observed(self, x, labels):
    threads = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    with (HERE / "observed.jsonl").open("a") as file:
        file.write(json.dumps([socket.gethostname(), os.getpid(), max(threads, default=0), self.step]) + chr(10))
    if self.step == 25:
        with suppress(FileNotFoundError):  # one alone finds it
            (HERE / "deadly").unlink()
            os.kill(os.getpid(), 9)
    while (HERE / "wait").exists() and self.step == 25:
        self.interruption.check()
        time.sleep(0.01)
    return update(self, x, labels)

Trainer.update = observed
"""


def test_an_address_where_nobody_listens_is_told_at_once():
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(TrackingError, match=f"ray.init.address={address}: no answer"):
        check_ray_address(address)


@pytest.mark.parametrize("address", ["auto", "local"])
def test_rays_words_for_an_address_are_left_to_ray(address):
    check_ray_address(address)


def test_a_cluster_that_does_not_start_is_told_without_a_traceback(monkeypatch):
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")

    def fail(**settings):
        raise Exception("The current node timed out during startup. This could happen because ...")  # Ray's own

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    config = OmegaConf.create({"hydra": {"launcher": {"_target_": RAY, "ray": {"init": {}}}}})
    with pytest.raises(TrackingError, match="The current node timed out during startup"):
        join(config)


def events(folder):
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def told(job):
    """Return the metrics of a job's journal, without times."""
    found = [
        (key, event["step"], None if key in TIMED else value)
        for event in events(job)
        if event["event"] == "metrics"
        for key, value in event["metrics"].items()
    ]
    assert len({each[:2] for each in found}) == len(found)
    return sorted(found, key=str)


def assert_same_jobs(sweep, other):
    """Fail unless the jobs of two sweeps have the same parameter files and metrics, bit for bit."""
    jobs, others = ({path.name: path for path in each.glob("*-*/")} for each in (sweep, other))
    assert jobs.keys() == others.keys()
    for name, job in jobs.items():
        assert told(job) == told(others[name])
        for file in ("last.npz", "best.npz"):
            with np.load(job / file) as one, np.load(others[name] / file) as two:
                assert {key: one[key].tobytes() for key in one} == {key: two[key].tobytes() for key in two}


@pytest.mark.long
def test_a_sweep_on_two_nodes_outlives_a_killed_worker_and_an_interrupted_command(tmp_path, wait_for):
    (tmp_path / "observed.py").write_text(OBSERVED)

    def start(*arguments, **more):
        command = [sys.executable, "-m", "mnist_trainer", "--multirun", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=environment | more, **pipes)

    def run(*arguments):
        process = start(*arguments)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    with ray_cluster(tmp_path) as environment:
        (tmp_path / "deadly").touch()
        code, output = run(*TINY, *ON_RAY, "seed=0,1,2")
        assert code == 0, output
        assert not (tmp_path / "deadly").exists()
        assert "goes on after update 22, in epoch 3 of 3" in output
        assert "Traceback" not in output
        seen = [json.loads(line) for line in (tmp_path / "observed.jsonl").read_text().splitlines()]
        assert {host for host, *_ in seen} == {socket.gethostname(), SECOND}
        assert {threads for _, _, threads, _ in seen} == {1}  # Ray gives a job one
        assert not list((tmp_path / "first").glob("outputs"))
        assert not list((tmp_path / "second").glob("outputs"))

        (tmp_path / "wait").touch()
        process = start(*TINY, *ON_RAY, "seed=0,1,2", "outputs=broken-off")
        wait_for(lambda: len(list(tmp_path.glob("broken-off/2*/*/*/checkpoint.previous.npz"))) == 2, process)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 143, output
        assert "KILLED: interrupted by SIGINT" in output  # on both nodes
        assert "MISSING: it never began" in output
        (tmp_path / "wait").unlink()
        code, output = run(*ON_RAY, "sweep.resume=latest", "outputs=broken-off")
        assert (code, "sweep: 3 of 3 jobs finished" in output) == (0, True), output

        environment["RAY_AUTH_TOKEN_PATH"] = os.devnull
        code, output = run(*TINY, *ON_RAY, "seed=0,1,2", "outputs=refused")
        assert (code, "Traceback" in output, list(tmp_path.glob("refused"))) == (2, False, []), output
    code, output = run(*TINY, "seed=0,1,2", "outputs=alone")
    assert code == 0, output
    (alone,) = tmp_path.glob("alone/2*/*")
    for outputs in ("outputs", "broken-off"):
        (sweep,) = tmp_path.glob(f"{outputs}/2*/*")
        assert_same_jobs(sweep, alone)
