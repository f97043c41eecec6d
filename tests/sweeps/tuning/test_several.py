"""Studies that several processes work on: joblib's workers with Hyperband, and two tuners on one database."""

import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

pytestmark = pytest.mark.long

LR = "optimizer.lr=tag(log,interval(1e-3,1))"
TUNE = ("--multirun", "data=digits", "tracking=off", "model.hidden=[8]", "hydra/sweeper=optuna", LR)


def study_of(folder):
    return json.loads((folder / "study.json").read_text())


def sweeps(folder):
    return sorted(path.parent for path in folder.glob("outputs/2*/*/study.json"))


def end_of(process):
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def test_joblibs_jobs_report_to_one_study_and_a_command_that_was_stopped_goes_on(spawn, wait_for, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra `joblib` is not installed")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    asked = ("epochs=9", "hydra.sweeper.n_trials=8", "hydra.sweeper.pruner=hyperband", "trainer.progress=false")
    process = spawn(*TUNE, *launcher, *asked)
    wait_for(lambda: len(list(tmp_path.glob("outputs/2*/*/*/outcome.json"))) >= 4, process)
    process.send_signal(signal.SIGTERM)
    code, output = end_of(process)
    assert code == 143, output
    code, output = end_of(spawn("--multirun", "sweep.resume=latest", *launcher))
    assert code == 0, output
    (folder,) = sweeps(tmp_path)
    trials = study_of(folder)["trials"]
    assert [trial["state"] in ("COMPLETE", "PRUNED") for trial in trials] == [True] * 8
    for trial in trials:
        outcome = json.loads(next(folder.glob(f"{trial['job']}-*/outcome.json")).read_text())
        assert (trial["state"] == "PRUNED") == (outcome["status"] == "PRUNED" or "diverged" in str(outcome["reason"]))
        epochs = [epoch for epoch, _ in trial["curve"]]
        assert epochs == list(range(1, len(epochs) + 1))  # each epoch once


def test_a_study_killed_again_and_again_comes_to_what_an_undisturbed_one_does(spawn, wait_for, tmp_path, parameters_of):
    def told(folder):
        (sweep,) = sweeps(folder)
        kept = ("number", "state", "params", "values", "curve")
        models = {path.parent.name: parameters_of(path) for path in sweep.glob("*/last.npz")}
        return [[trial[key] for key in kept] for trial in study_of(sweep)["trials"]], models

    def steps(folder):
        return sum(path.read_bytes().count(b"\n") for path in folder.glob("outputs/2*/*/study.log"))

    tune = (*TUNE, "epochs=2", "hydra.sweeper.n_trials=5", "hydra.sweeper.sampler.seed=1", "hydra.sweeper.study_name=s")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    code, output = end_of(spawn(*tune, folder=whole))
    assert code == 0, output
    for step in sorted(random.Random(0).sample(range(4, steps(whole) - 8), 3)):
        begun = any(killed.glob("outputs/2*/*/sweep.json"))
        process = spawn(*(("--multirun", "sweep.resume=latest") if begun else tune), folder=killed)
        wait_for(lambda step=step: steps(killed) >= step, process)
        process.kill()
        process.wait()
    code, output = end_of(spawn("--multirun", "sweep.resume=latest", folder=killed))
    assert code == 0, output
    (trials, models), (wanted, others) = told(killed), told(whole)
    assert trials == wanted
    assert models.keys() == others.keys()
    for name, model in models.items():
        assert all(np.array_equal(model[key], others[name][key]) for key in model)


def two_tuners(spawn, folder, storage):
    """Run two commands on one study of 5 trials; return what they printed."""
    study = (f"hydra.sweeper.storage={storage}", "hydra.sweeper.study_name=shared", "hydra.sweeper.n_trials=5")
    processes = [spawn(*TUNE, "epochs=2", *study, folder=folder) for _ in range(2)]
    ends = [end_of(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    return [output for _, output in ends]


def check_shared(folder):
    """No more trials than wanted, and no fewer; and each the job of one command."""
    told = [study_of(sweep) for sweep in sweeps(folder)]
    assert len(told) == 2
    last = max(told, key=lambda study: sum(trial["state"] in ("COMPLETE", "PRUNED") for trial in study["trials"]))
    counted = [trial for trial in last["trials"] if trial["state"] != "FAIL"]
    assert [trial["state"] in ("COMPLETE", "PRUNED") for trial in counted] == [True] * 5
    jobs = [path.parent for sweep in sweeps(folder) for path in sweep.glob("*/outcome.json")]
    assert sorted((trial["folder"], trial["job"]) for trial in counted if trial["same_as"] is None) == sorted(
        (str(job.parent), int(job.name.partition("-")[0])) for job in jobs
    )


@pytest.mark.parametrize("storage", ["shared.log", "sqlite:///shared.db"])
def test_two_tuners_on_one_file_do_not_exceed_its_trials(spawn, tmp_path, storage):
    two_tuners(spawn, tmp_path, storage)
    check_shared(tmp_path)


@pytest.fixture
def postgresql(start, wait_for):
    """A server of its own on loopback, with a password; its URI."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    programs += [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    user = {}
    if os.getuid() == 0:  # whom the server refuses
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL refuses root, and there is no user postgres")
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        folder = Path(name)
        (folder / "password").write_text("s3cret/word")
        (folder / "password").chmod(0o644)
        if user:
            os.chown(folder, user["user"], user["group"])
        make = [programs[-1] / "initdb", "-D", folder / "data", "-U", "tuner", "-A", "scram-sha-256", "-N"]
        subprocess.run([*make, f"--pwfile={folder / 'password'}"], check=True, capture_output=True, cwd=folder, **user)
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        options = ["-D", folder / "data", "-p", port, "-k", folder, "-h", "127.0.0.1", "-F"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = start([programs[-1] / "postgres", *options], cwd=folder, **quiet, **user)
        ready = [programs[-1] / "pg_isready", "-h", "127.0.0.1", "-p", port]
        wait_for(lambda: subprocess.run(ready, check=False, **quiet).returncode == 0, server)
        yield f"postgresql://tuner:s3cret%2Fword@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)  # at once, but with its own children
        server.wait(60)


def test_two_tuners_on_postgresql_do_not_exceed_its_trials_and_no_file_has_the_password(spawn, tmp_path, postgresql):
    outputs = two_tuners(spawn, tmp_path, postgresql)
    check_shared(tmp_path)
    again = ("--multirun", f"sweep.resume={sweeps(tmp_path)[0]}", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=6")
    code, output = end_of(spawn(*again))
    assert (code, "give hydra.sweeper.storage again, with its password" in output) == (2, True), output
    code, more = end_of(spawn(*again, f"hydra.sweeper.storage={postgresql}"))
    assert code == 0, more
    assert len([trial for trial in study_of(sweeps(tmp_path)[0])["trials"] if trial["state"] != "FAIL"]) == 6
    texts = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("s3cret" in text for text in [*texts, *outputs, output, more])
