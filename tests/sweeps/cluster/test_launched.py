"""What a cluster says of jobs without a result, as its queue tells: here a `squeue` that says what a test wants."""

import json
import os

import pytest

from mnist_trainer.errors import ConfigError, TrackingError
from mnist_trainer.runs.folder import OutcomeEnding
from mnist_trainer.sweeps.cluster import slurm
from mnist_trainer.sweeps.cluster.launched import Launched, cluster_endings, strays
from mnist_trainer.sweeps.jobs import read_jobs
from mnist_trainer.sweeps.resumption import check_stopped


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Let `squeue` be a script that prints these lines, or fails."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def says(*lines, code=0, error=""):
        (folder / "lines").write_text("".join(f"{line}\n" for line in lines))
        script = folder / "squeue"
        script.write_text(f"#!/bin/sh\ncat {folder}/lines\necho '{error}' >&2\nexit {code}\n")
        script.chmod(0o755)

    return says


def launched(sweep, **ended):
    ids = {str(number): f"7_{number}" for number in range(4)}
    Launched("slurm", ids, {key.removeprefix("job"): state for key, state in ended.items()}).write(sweep)


def test_jobs_in_the_queue_wait_or_run_whatever_they_said_before(tmp_path, queue):
    launched(tmp_path)
    queue("7_0|PENDING|", "7_1|RUNNING|n2", "7_2|COMPLETED|n1", "70_3|RUNNING|n1")
    assert cluster_endings(tmp_path) == {
        0: OutcomeEnding("WAITING", "it waits in Slurm's queue, as job 7_0", []),
        1: OutcomeEnding("RUNNING", "it is still running, as Slurm's job 7_1 on n2", []),
    }
    (tmp_path / "1-run").mkdir()
    (tmp_path / "1-run" / "outcome.json").write_text(json.dumps({"status": "KILLED", "reason": "x", "overrides": []}))
    jobs = read_jobs(tmp_path, [["seed=0"], ["seed=1"]])
    assert [(job.ending.status, job.still_there, job.overrides) for job in jobs] == [
        ("WAITING", True, ["seed=0"]),
        ("RUNNING", True, ["seed=1"]),
    ]


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ("OUT_OF_MEMORY", "FAILED", "out of memory (hydra.launcher.mem_gb=... asks for more), as job 7_0"),
        ("NODE_FAIL", "FAILED", "its node died, as job 7_0"),
        ("TIMEOUT", "FAILED", "out of time"),
        ("CANCELLED", "CANCELLED", "cancelled in Slurm, as job 7_0"),
        ("PREEMPTED", "KILLED", "preempted, and not requeued"),
    ],
)
@pytest.mark.parametrize("seen", ["in the queue", "by the command"])
def test_a_job_that_could_not_say_how_it_ended_has_slurms_word(tmp_path, queue, state, status, words, seen):
    if seen == "in the queue":
        launched(tmp_path)
        queue(f"7_0|{state}|n1")
    else:
        launched(tmp_path, job0=state, job1="OVER", job2="OVER", job3="OVER")
    job = read_jobs(tmp_path, [["seed=0"]])[0]
    assert job.ending.status == status
    assert words in job.ending.reason
    assert not job.finished


KILLED = {
    "by the kernel": (
        "slurmstepd-n1: error: Detected 1 oom-kill event(s) in StepId=3.0.",
        "srun: error: n1: task 0: Out Of Memory",
    ),
    "by Slurm": (
        "slurmstepd: error: StepId=3.0 exceeded memory limit (9 > 4), being killed",
        "srun: error: n1: task 0: Killed",
    ),
}


@pytest.mark.parametrize("killed", KILLED)
def test_a_job_that_slurm_has_as_failed_was_out_of_memory_if_that_is_slurms_last_word(tmp_path, queue, killed):
    launched(tmp_path)
    queue("7_0|FAILED|n1")
    outputs = tmp_path / ".submitit" / "7_0"
    outputs.mkdir(parents=True)
    printed, errors = outputs / "7_0_0_log.out", outputs / "7_0_0_log.err"

    def told(*lines):
        printed.write_text("out of memory, says a user's own plugin\n")
        errors.write_text("\n".join(["a warning", *lines, ""]))
        os.utime(printed, ns=(0, 0))
        return cluster_endings(tmp_path)[0].reason

    assert "it ended without a word" in told()
    assert told(*KILLED[killed]) == "out of memory (hydra.launcher.mem_gb=... asks for more), as job 7_0"
    assert "it ended without a word" in told(*KILLED[killed], "srun: error: n1: task 0: Killed", "an error of its own")
    told(*KILLED[killed])
    os.utime(errors, ns=(0, 0))
    os.utime(printed)
    assert "it ended without a word" in cluster_endings(tmp_path)[0].reason  # it was requeued, and killed later


def test_a_result_and_a_reason_of_the_jobs_own_stay(tmp_path, queue, sweep):
    sweep({"test_accuracy": 0.5, "loss": "fused", "data": "digits"}, {"status": "FAILED", "reason": "a bug"})
    launched(tmp_path)
    queue("7_0|CANCELLED|n1", "7_1|FAILED|n1")
    one, other = read_jobs(tmp_path, None)
    assert one.finished
    assert other.ending.reason == "a bug"


def test_a_slurm_that_does_not_answer_is_no_ending(tmp_path, queue, caplog):
    launched(tmp_path)
    queue(code=1, error="squeue: error: Unable to contact slurm controller")
    assert cluster_endings(tmp_path) == {}
    assert "Slurm can't be asked whether jobs are still in its queue: squeue: error: Unable to contact" in caplog.text
    queue(code=1, error="slurm_load_jobs error: Invalid job id specified")
    assert slurm.seen(["7_0"]) == {}


def test_jobs_whose_command_was_killed_before_it_wrote_them_down_are_found(tmp_path, queue):
    (tmp_path / ".submitit").mkdir()
    queue(f"7_0|{tmp_path}/.submitit/.submission_file_1.sh", f"9|{tmp_path}-2/.submitit/x.sh", "8_1|/elsewhere/job.sh")
    assert strays(tmp_path) == ["7_0"]
    with pytest.raises(TrackingError, match=r"though its command was killed: 7_0; .*scancel 7_0"):
        check_stopped(tmp_path, [["seed=0"]])
    launched(tmp_path)
    assert strays(tmp_path) == []


def test_a_job_that_is_launched_again_has_not_ended():
    record = Launched("slurm", {"0": "7_0", "1": "7_1"}, {"0": "COMPLETED", "1": "FAILED"}).again("slurm", {1: "8"})
    assert (record.ids, record.ended) == ({"0": "7_0", "1": "8"}, {"0": "COMPLETED"})


def test_without_slurm_the_launcher_says_where_it_works(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no sbatch, no srun.*hydra/launcher=submitit_local"):
        slurm.require()
