"""Sweeps without a shared folder: two real nodes, of which one doesn't see it, and a central MLflow server."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from mnist_trainer.journal.events import TIMED
from tests.sweeps.central_server import central_server
from tests.sweeps.ray_cluster import ray_cluster
from tests.sweeps.test_on_ray import OBSERVED, ON_RAY, assert_same_jobs, told

pytestmark = pytest.mark.long

TINY = ["data=digits", "model.hidden=[8]", "epochs=3", "trainer.progress=false", "plugins=[observed]"]
WAIT = "tracking.wait_seconds=300"


def assert_told_once(database, sweep, alone):
    """Fail unless MLflow has each of the sweep's jobs once, and each metric of an undisturbed one once."""
    import psycopg

    parent = json.loads((sweep / "shipped.json").read_text())["run_id"]
    with psycopg.connect(database) as connection:

        def rows(query, *values):
            return connection.execute(query, values).fetchall()

        runs = rows("select run_uuid from tags where key = 'mlflow.parentRunId' and value = %s", parent)
        names = {}
        for (run,) in runs:
            ((name,),) = rows("select value from tags where key = 'mnist_trainer.job' and run_uuid = %s", run)
            assert rows("select status from runs where run_uuid = %s", run) == [("FINISHED",)]
            assert rows("select value from tags where key = 'failure.reason' and run_uuid = %s", run) == []
            found = rows("select key, step, value from metrics where run_uuid = %s", run)
            assert set(Counter((key, step) for key, step, _ in found).values()) == {1}
            names[name] = sorted([(k, step, None if k in TIMED else value) for k, step, value in found], key=str)
    assert names == {job.name: told(job) for job in alone.glob("*-*/")}


@pytest.fixture
def here(tmp_path):
    """The folder where commands are typed, which the second node doesn't see."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def run(here):
    """Run a sweep from there, in an environment."""

    def ended(environment, *arguments):
        command = [sys.executable, "-m", "mnist_trainer", "--multirun", *arguments]
        done = subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return ended


def test_a_killed_worker_and_a_lost_server_lose_nothing_and_tell_nothing_twice(tmp_path, here, run):
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "observed.py").write_text(OBSERVED)
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH")]))}
    with central_server(tmp_path / "server") as (server, database):
        with ray_cluster(tmp_path, hide=here, **variables) as environment:
            apart = ["sweep.shared_folder=false", f"tracking.uri={server.uri}", WAIT]
            (plugin / "deadly").touch()
            code, output = run(environment, *TINY, *ON_RAY, *apart, "seed=0,1,2")
            assert code == 0, output
            assert not (plugin / "deadly").exists()
            assert "sweep: 3 of 3 jobs finished" in output
            away = [path for place in ("first", "second") for path in (tmp_path / place).glob("outputs/2*/*/away/*")]
            assert len({path.parents[4] for path in away}) == 2  # each node had some of them

            server.stop()
            refused = [*TINY, *ON_RAY, *apart, "seed=0,1,2", "outputs=refused", "tracking.wait_seconds=1"]
            code, output = run(environment, *refused)
            assert (code, "Traceback" in output, list(here.glob("refused"))) == (2, False, []), output
            server.start()
            code, output = run(environment, "sweep.resume=latest", *ON_RAY)
            assert (code, "no unfinished sweep" in output) == (2, True), output
        code, output = run(environment, *TINY, "seed=0,1,2", "outputs=alone", "tracking=off")
        assert code == 0, output
        (sweep,), (alone,) = here.glob("outputs/2*/*"), here.glob("alone/2*/*")
        assert_same_jobs(sweep, alone)
        assert all((job / "model.npz").exists() for job in sweep.glob("*-*/"))
        assert_told_once(database, sweep, alone)


def test_a_study_prunes_jobs_that_share_no_folder_with_it(tmp_path, here, run):
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    small = ["data=digits", "model.hidden=[64]", "epochs=3", "trainer.progress=false"]
    search = ["hydra/sweeper=optuna", "optimizer.lr=tag(log,interval(1e-4,1))", "hydra.sweeper.sampler.seed=1"]
    search += ["hydra.sweeper.n_trials=4", "hydra.sweeper.pruner={name:threshold,upper:1.84}"]
    with central_server(tmp_path / "server") as (server, database):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("create database study")  # Optuna's tables and MLflow's have a name in common
        storage = database.removesuffix("/postgres") + "/study"
        apart = ["sweep.shared_folder=false", f"tracking.uri={server.uri}", WAIT, f"hydra.sweeper.storage={storage}"]
        with ray_cluster(tmp_path, hide=here) as environment:
            code, output = run(environment, *small, *ON_RAY, *apart, *search)
    assert code == 0, output
    (sweep,) = here.glob("outputs/2*/*")
    trials = json.loads((sweep / "study.json").read_text())["trials"]
    assert {trial["state"] for trial in trials} == {"COMPLETE", "PRUNED"}
    for trial in trials:
        outcome = json.loads(next(sweep.glob(f"{trial['job']}-*/outcome.json")).read_text())
        pruned = trial["state"] == "PRUNED"
        assert (outcome["status"] == "PRUNED") == pruned
        assert len(trial["curve"]) == (1 if pruned else 3)  # of its three epochs
