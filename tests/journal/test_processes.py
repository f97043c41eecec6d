"""Who has opened a run: the process that named it, if it can have done so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_trainer.journal.processes import Process, began, opener_of

ASK = (
    "from mnist_trainer.journal.processes import opener_of; found = opener_of('abc'); print(found.pid if found else 0)"
)
HERE = os.getpid()

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system doesn't tell")


def asked(*before, **variables):
    """What a process that is told of the run `abc`, by way of these words, takes for its opener."""
    done = subprocess.run(
        [*before, sys.executable, "-c", ASK], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_it_is_the_process_that_named_the_run_to_those_that_it_began():
    assert asked(MLFLOW_RUN_ID="abc") == HERE
    assert asked("sh", "-c", '"$@"; exit $?', "sh", MLFLOW_RUN_ID="abc") == HERE  # as `mlflow run` does


def test_a_shell_that_was_told_of_a_run_has_not_opened_it():
    assert asked("sh", "-c", 'export MLFLOW_RUN_ID=abc; "$@"; exit $?', "sh") == 0


def test_a_process_that_names_it_to_itself_is_the_one(monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    assert opener_of("abc") == Process(HERE, began())


def test_a_process_lives_until_it_ends(start):
    process = start(["sleep", "100"])
    known = Process(process.pid, began(process.pid))
    assert known.lives
    assert not Process(known.pid, known.began + 1).lives  # another one, with its number
    process.kill()
    process.wait()
    assert not known.lives
    assert not Process(0, 0).lives
