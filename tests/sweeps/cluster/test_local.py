"""A sweep by submitit without a cluster: its processes are this machine's."""

import json
import os
import signal

import pytest

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `slurm` is not installed")

from mnist_trainer.journal.reading import read_start
from tests.fixtures.slurm import SLOW

pytestmark = pytest.mark.long
TINY = ("--multirun", "data=digits", "tracking=off", "model.hidden=[8]", "hydra/launcher=submitit_local")


def outcomes(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("outputs/2*/*/*/outcome.json"))]


def test_all_jobs_have_a_result(spawn, tmp_path):
    process = spawn(*TINY, "epochs=1", "seed=0,1")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "sweep: 2 of 2 jobs finished" in output
    assert [outcome["seed"] for outcome in outcomes(tmp_path)] == [0, 1]


def test_after_sigterm_the_jobs_have_checkpoints_and_go_on_with_sweep_resume(spawn, wait_for, tmp_path):
    process = spawn(*TINY, "epochs=1000000", "seed=0,1")
    wait_for(lambda: len(list(tmp_path.glob("outputs/2*/*/*/checkpoint.npz"))) == 2, process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 143, output
    assert "Traceback" not in output
    assert {outcome["status"] for outcome in outcomes(tmp_path)} == {"KILLED"}
    assert "Jobs 0, 1 KILLED: interrupted by SIGTERM" in output


def test_a_job_that_is_taken_down_and_started_again_goes_on_in_its_own_folder(spawn, wait_for, tmp_path, content):
    arguments = (*TINY, "epochs=30", "seed=0", "plugins=[slow]")
    whole = spawn(*arguments, "hydra/launcher=basic", folder=prepared(tmp_path / "a"))
    assert whole.wait(300) == 0
    folder = prepared(tmp_path / "b")
    (folder / "slow").touch()
    process = spawn(*arguments, folder=folder)
    (checkpoint,) = wait_for(lambda: list(folder.glob("outputs/2*/*/*/checkpoint.npz")), process)
    os.kill(read_start(checkpoint.parent).pid, signal.SIGUSR2)  # as if its time were over
    wait_for(lambda: read_start(checkpoint.parent).resumed, process)
    (folder / "slow").unlink()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    (undisturbed,) = (tmp_path / "a").glob("outputs/2*/*/0-*")
    assert content(checkpoint.parent) == content(undisturbed)


def prepared(folder):
    folder.mkdir()
    (folder / "slow.py").write_text(SLOW)
    return folder
