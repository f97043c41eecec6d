"""Sweeps on a real Slurm of two nodes: jobs that are preempted, out of time, cancelled, killed."""

import json
import os
import signal
import sys

import pytest

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `slurm` is not installed")

from tests.fixtures import slurm as fixture

WHY_NOT = fixture.why_not()
pytestmark = [pytest.mark.long, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


def test_jobs_that_are_preempted_or_out_of_time_go_on_as_if_they_had_not_been(launch, seeds, assert_whole, slurm):
    running = launch(seeds, "hydra.launcher.signal_delay_s=30")
    running.wait_for_checkpoints(3)
    taken = running.node(0)
    late = next(job for job in (2, 1) if running.node(job) != taken)
    slurm.ask("scontrol", "update", f"JobId={running.ids[late]}", "TimeLimit=1")
    other = slurm.preempt(taken)
    running.wait_for(lambda: running.states()[late] == "PENDING", "a time-out")
    slurm.ask("scontrol", "update", f"JobId={running.ids[late]}", "TimeLimit=60")
    running.wait_for(lambda: slurm.jobs()[other][0] == "RUNNING", "a preemption")
    slurm.ask("scancel", other)
    running.wait_for(lambda: all(running.events(job, "resume") for job in (0, late)), "the jobs' going on")
    running.hurry()
    code, output = running.end()
    assert code == 0, output
    assert "sweep: 3 of 3 jobs finished" in output
    assert_whole(running)


def test_jobs_that_are_cancelled_or_killed_are_told_and_go_on_with_sweep_resume(launch, seeds, assert_whole, slurm):
    running = launch(seeds)
    running.wait_for_checkpoints(3)
    slurm.ask("scancel", running.ids[1])
    os.kill(running.pid(2), signal.SIGKILL)
    running.wait_for(lambda: {"RUNNING"} == {*running.states()[:1]} and "RUNNING" not in running.states()[1:], "ends")
    running.hurry()
    code, output = running.end()
    assert code == 1, output
    assert "Traceback" not in output
    assert "sweep: 1 of 3 jobs finished" in output
    assert f"Job 1 CANCELLED: cancelled in Slurm, as job {running.ids[1]}" in output
    assert f"Job 2 FAILED: it ended without a word (killed, or out of memory), as job {running.ids[2]}" in output
    assert json.loads((running.jobs[1] / "outcome.json").read_text())["reason"] == "interrupted by SIGTERM"
    running.start("--multirun", "sweep.resume=latest", "hydra/launcher=submitit_slurm")
    code, output = running.end()
    assert code == 0, output
    assert "1 of 3 jobs are finished; to run: 1, 2" in output
    assert_whole(running)


def test_ctrl_c_cancels_the_array_when_its_jobs_have_checkpoints(launch, seeds, assert_whole, slurm):
    running = launch(seeds, "tracking=off")
    running.wait_for_checkpoints(3)
    running.process.send_signal(signal.SIGINT)
    code, output = running.end()
    assert code == 130, output
    assert "Traceback" not in output
    assert "Jobs 0, 1, 2 KILLED: interrupted by SIGTERM" in output
    assert running.states() == ["CANCELLED"] * 3
    running.hurry()
    running.start("--multirun", "sweep.resume=latest", "hydra/launcher=submitit_slurm")
    code, output = running.end()
    assert code == 0, output
    assert_whole(running)


def test_jobs_that_are_left_running_are_told_and_taken_up_when_they_have_ended(launch, seeds, assert_whole, slurm):
    running = launch(seeds, "tracking=off", "sweep.on_interrupt=leave")
    running.wait_for_checkpoints(3)
    running.process.send_signal(signal.SIGTERM)
    code, output = running.end()
    assert code == 143, output
    assert "squeue --jobs=" in output
    assert running.states() == ["RUNNING"] * 3
    assert f"Job 0 RUNNING: it is still running, as Slurm's job {running.ids[0]} on " in output
    running.start("--multirun", f"sweep.resume={running.folder}", "hydra/launcher=submitit_slurm")
    code, output = running.end()
    assert code == 2, output
    assert "still running: job 0, 1, 2" in output
    running.hurry()
    running.wait_for(lambda: running.states() == ["COMPLETED"] * 3, "the jobs' end", running=False)
    running.start("--multirun", f"sweep.resume={running.folder}")
    code, output = running.end()
    assert code == 0, output
    assert "3 of 3 jobs are finished; none is to run" in output
    assert_whole(running)


def test_a_job_has_the_cores_that_slurm_granted_whatever_the_shell_says(slurm, tmp_path):
    script = """
from mnist_trainer.runs.cores import own_cpus, usable_cpus
from mnist_trainer.sweeps.cluster.job import take_cores
take_cores()
print(own_cpus(), usable_cpus())
"""
    told = slurm.ask("srun", "--cpus-per-task=2", "env", "OMP_NUM_THREADS=1", sys.executable, "-c", script)
    own, usable = map(int, told.split())
    assert own == min(2, usable)


def test_what_slurm_refuses_is_told_in_its_own_words(launch, slurm):
    refused = launch("seed=0,1", "tracking=off", "hydra.launcher.partition=nowhere")
    code, output = refused.end()
    assert code == 2, output
    assert "invalid partition" in output
    assert "Traceback" not in output
