"""Studies that several processes work on: joblib's workers with Hyperband, and two tuners on one database."""

import getpass
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

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


def two_tuners(start, folder, storage, **environment):
    """Run two commands on one study of 7 trials; return their folders and outputs."""
    study = (f"hydra.sweeper.storage={storage}", "hydra.sweeper.study_name=shared", "hydra.sweeper.n_trials=7")
    kept = {key: os.environ[key] for key in os.environ if key not in ("MNIST_ROOT", "MLFLOW_TRACKING_URI")}
    processes = [
        start(
            [sys.executable, "-m", "mnist_trainer", *TUNE, "epochs=2", *study],
            cwd=folder,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [end_of(process) for process in processes]
    assert [code for code, _ in ends] == [0, 0], ends
    return [output for _, output in ends]


def check_shared(folder):
    """No more trials than wanted, and each the job of one command."""
    told = [study_of(sweep) for sweep in sweeps(folder)]
    assert len(told) == 2
    newest = max(told, key=lambda study: sum(trial["state"] != "RUNNING" for trial in study["trials"]))
    counted = [trial for trial in newest["trials"] if trial["state"] != "FAIL"]
    assert len(counted) == 7
    jobs = [path.parent for sweep in sweeps(folder) for path in sweep.glob("*/outcome.json")]
    assert sorted((trial["folder"], trial["job"]) for trial in counted if trial["same_as"] is None) == sorted(
        (str(job.parent), int(job.name.partition("-")[0])) for job in jobs
    )


def test_two_tuners_on_one_file_do_not_exceed_its_trials(start, tmp_path):
    two_tuners(start, tmp_path, tmp_path / "shared.log")
    check_shared(tmp_path)


@pytest.fixture
def postgresql(tmp_path_factory, start):
    """A server of its own on loopback, with a password; its URI."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "/").parent]
    if not (binaries[-1] / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = tmp_path_factory.mktemp("postgresql")
    user = {}
    if getpass.getuser() == "root":  # whom the server refuses
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("there is no user postgres to run a server as")
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = {"user": owner.pw_uid, "group": owner.pw_gid}
    password = folder / "password"
    password.write_text("s3cret/word")
    password.chmod(0o644)
    data = folder / "data"
    make = [binaries[-1] / "initdb", "-D", data, "-U", "tuner", "-A", "scram-sha-256", f"--pwfile={password}"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [binaries[-1] / "postgres", "-D", data, "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    start(server, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)
    ready = [binaries[-1] / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "60"]
    for _ in range(600):
        if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
            break
    return f"postgresql://tuner:s3cret%2Fword@127.0.0.1:{port}/postgres"


def test_two_tuners_on_postgresql_do_not_exceed_its_trials_and_no_file_has_the_password(start, tmp_path, postgresql):
    outputs = two_tuners(start, tmp_path, postgresql)
    check_shared(tmp_path)
    texts = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("s3cret" in text for text in [*texts, *outputs])
