"""Sweeps whose jobs run side by side: joblib's launcher, real processes and a real store."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import yaml

pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `joblib` is not installed")

from mnist_trainer.runs.cores import usable_cpus

pytestmark = pytest.mark.long

TINY = ("data=digits", "model.hidden=[8]", "epochs=1", "trainer.progress=false", "plugins=[observed]")
WAIT = "tracking.wait_seconds=300"
JOBLIB = ("--multirun", *TINY, WAIT, "hydra/launcher=joblib")
JOBS = 8
OBSERVED = """
import json, os, time
from contextlib import suppress
from pathlib import Path
from threadpoolctl import threadpool_info
from mnist_trainer.training.trainer import Trainer
update = Trainer.update

def observed(self, x, labels):
    threads = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    with Path("observed.jsonl").open("a") as file:
        file.write(json.dumps([time.time(), os.getpid(), max(threads, default=0), self.step]) + chr(10))
    if self.step == 5:
        with suppress(FileNotFoundError):  # one alone finds it
            Path("deadly").unlink()
            os.kill(os.getpid(), 9)
    return update(self, x, labels)

Trainer.update = observed
"""


def rows(folder, query):
    with closing(sqlite3.connect(folder / "outputs" / "mlflow.db")) as database:
        return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("joblib")
    (path / "observed.py").write_text(OBSERVED)
    return path


@pytest.fixture(scope="module")
def run(folder):
    """Run a command in the folder that the tests share; return its exit code and what it printed."""

    def start(*arguments, **environment):
        kept = {key: os.environ[key] for key in os.environ if key not in ("MNIST_ROOT", "MLFLOW_TRACKING_URI")}
        done = subprocess.run(
            [sys.executable, "-m", "mnist_trainer", *arguments],
            cwd=folder,
            env={**kept, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    return start


@pytest.fixture(scope="module")
def broken_off(folder, run):
    """A sweep of eight jobs, more than there are processors, one of whose processes was killed outright."""
    (folder / "deadly").touch()
    seeds = "seed=" + ",".join(map(str, range(JOBS)))
    wishes = ("hydra.launcher.n_jobs=8", "trainer.threads=64")
    return run(*JOBLIB, *wishes, seeds, OMP_NUM_THREADS="64")


@pytest.fixture(scope="module")
def gone_on(broken_off, run):
    """The same sweep, when it has been gone on with."""
    return run("--multirun", "sweep.resume=latest", WAIT, "hydra/launcher=joblib")


def test_a_worker_that_is_killed_ends_the_sweep_with_a_report_and_without_a_traceback(folder, broken_off):
    code, output = broken_off
    assert code == 1
    assert "Traceback" not in output
    assert "a process that ran jobs was killed, or out of memory" in output.splitlines()[-1]
    assert "it ended without a word (killed, or out of memory)" in output
    assert "MISSING: it never began" in output or usable_cpus() >= JOBS
    assert "python -m mnist_trainer --multirun sweep.resume=outputs/" in output


def test_it_is_gone_on_with_side_by_side_and_nothing_is_lost_or_doubled(folder, gone_on):
    code, output = gone_on
    assert code == 0, output
    assert f"sweep: {JOBS} of {JOBS} jobs finished" in output
    runs = rows(folder, "select run_uuid, name, status from runs")
    assert {status for _, _, status in runs} == {"FINISHED"}
    ((parent, _, _),) = [run for run in runs if run[1].startswith("sweep ")]
    children = rows(folder, f"select run_uuid from tags where key='mlflow.parentRunId' and value='{parent}'")
    assert len(children) == JOBS == len(runs) - 1
    seeds = rows(folder, "select value from params where key='seed'")
    assert sorted(seeds) == [(str(seed),) for seed in range(JOBS)]
    metrics = rows(folder, "select run_uuid, key, step, count(*) from metrics group by run_uuid, key, step")
    assert {count for *_, count in metrics} == {1}
    of_each = {run: {(key, step) for other, key, step, _ in metrics if other == run} for (run,) in children}
    assert len({frozenset(told) for told in of_each.values()}) == 1
    assert len(next(iter(of_each.values()))) > 10


def test_threads_times_jobs_side_by_side_are_no_more_than_the_processors(folder, broken_off, gone_on):
    cpus = usable_cpus()
    assert f"hydra.launcher.n_jobs=8: there are {cpus} CPUs to use" in broken_off[1] or cpus >= JOBS
    assert "trainer.threads=64: beside the sweep's other jobs this one has" in broken_off[1]
    seen = [json.loads(line) for line in (folder / "observed.jsonl").read_text().splitlines()]
    workers = {}
    for moment, pid, threads, _ in seen:
        workers.setdefault(pid, []).append((moment, threads))
    moments = [moment for moment, *_ in seen]
    for moment in moments:
        at_once = [max(n for _, n in each) for each in workers.values() if each[0][0] <= moment <= each[-1][0]]
        assert sum(at_once) <= cpus


def test_a_job_that_goes_on_keeps_what_hydra_wrote_down(folder, gone_on):
    for job in folder.glob("outputs/2*/*/*/.hydra/overrides.yaml"):
        assert not any("resume" in override for override in yaml.safe_load(job.read_text()))


def test_no_processes_at_all_are_refused(command):
    done = command("--multirun", "data=digits", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0", "seed=0,1")
    assert (done.code, "n_jobs=0 runs no job" in done.output, "Traceback" in done.output) == (2, True, False)
    assert list(done.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["JOBLIB_MULTIPROCESSING", "LOKY_MAX_CPU_COUNT", "LOKY_MAX_DEPTH"])
def test_a_variable_that_joblib_cannot_read_is_told_by_its_name(command, monkeypatch, name):
    monkeypatch.setenv(name, "many")
    done = command("--multirun", "data=digits", "hydra/launcher=joblib", "seed=0,1")
    assert (done.code, f"{name}=many: joblib takes a whole number" in done.output) == (2, True)
    assert list(done.folder.iterdir()) == []


def test_after_sigterm_each_job_has_a_checkpoint_of_its_last_update(spawn, wait_for, tmp_path):
    (tmp_path / "observed.py").write_text(OBSERVED)
    arguments = ("tracking=off", "epochs=100000", "seed=0,1,2", "hydra.launcher.n_jobs=2")
    process = spawn(*JOBLIB, *arguments)
    wait_for(lambda: list(tmp_path.glob("outputs/2*/*/*/checkpoint.npz")), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    assert "Traceback" not in output
    assert "KILLED: interrupted by SIGTERM" in output
    assert "MISSING: it never began" in output
    stopped = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/2*/*/*/outcome.json")]
    assert {outcome["reason"] for outcome in stopped} == {"interrupted by SIGTERM"}
