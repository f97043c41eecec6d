"""Runs where nobody is at home, and where names and outputs are in another encoding."""

import os
import subprocess
import sys

import pytest

from mnist_trainer.journal import unsent

TINY = ("data=digits", "model.hidden=[8]", "epochs=1")
NOBODY = """
import os, pwd, sys

def nobody(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = nobody
for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
    os.environ.pop(name, None)
"""
COMMAND = "from mnist_trainer.__main__ import main; main()"
CONNECT = "from mnist_trainer.shipping.store import connect; connect(sys.argv[1])"
NARROW = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(*command, folder, **environment):
    removed = ("MNIST_ROOT", "MLFLOW_TRACKING_URI", "PYTHONIOENCODING")
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env={**kept, **environment}, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (*TINY, "tracking=off"),
        ("task=gradcheck", "data=digits", "model.hidden=[8]", "task.samples=4"),
        (*TINY[1:], "tracking=off", "data.download=false"),
    ],
    ids=["train", "gradcheck", "a cache"],
)
def test_a_user_without_an_account_and_a_home_needs_neither(tmp_path, arguments):
    done = run("-c", NOBODY + COMMAND, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert not (tmp_path / "~").exists()


@pytest.mark.long
def test_mlflow_s_store_is_made_without_a_home(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = run("-W", "ignore", "-c", NOBODY + CONNECT, uri, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mlflow.db").exists()


@pytest.mark.long
@pytest.mark.parametrize("arguments", [("--multirun", "seed=0,1"), ("task=explain", "task.updates=0", "epochs=1")])
def test_a_terminal_that_knows_ascii_alone_costs_only_signs(tmp_path, arguments):
    done = run("-m", "mnist_trainer", *TINY[:2], "tracking=off", *arguments, folder=tmp_path, **NARROW)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    done.stdout.decode("ascii")
    (report,) = [*tmp_path.glob("outputs/*/*/sweep.md"), *tmp_path.glob("outputs/*/*/explanation.md")]
    assert not report.read_text(encoding="utf-8").isascii()


@pytest.mark.long
@pytest.mark.parametrize("arguments", [(), ("tracking=off",), ("task=compare",), ("--multirun", "seed=0,1")])
def test_a_folder_that_no_journal_can_name_is_told_before_anything_begins(tmp_path, arguments):
    folder = os.fsencode(tmp_path) + b"/l\xe4ufe"
    os.mkdir(folder)  # noqa: PTH102
    done = run("-m", "mnist_trainer", *TINY, *arguments, folder=folder)
    assert done.returncode == 2, done.stderr
    assert rb"l\xe4ufe/outputs: not a name in UTF-8" in done.stderr
    assert not list(tmp_path.glob("*/outputs/*/*/journal.jsonl"))


def test_the_list_of_what_is_unsent_holds_names_as_they_are_on_the_disk(tmp_path):
    folder = tmp_path / os.fsdecode(b"l\xe4ufe")
    folder.mkdir()
    (folder / "journal.jsonl").touch()
    unsent.enter(tmp_path, "a run", folder)
    assert unsent.listed(tmp_path) == {"a run": folder}


def test_where_hydra_would_change_the_directory_outputs_stay_where_they_are_meant(command, tmp_path):
    done = command(*TINY, "tracking=off", "hydra.job.chdir=true")
    assert done.code == 0, done.output
    assert "hydra.job.chdir changes nothing" in done.output
    shown = done.run.relative_to(tmp_path)
    assert f"checkpoint={shown}" in done.output
    assert not (done.run / "outputs").exists()
