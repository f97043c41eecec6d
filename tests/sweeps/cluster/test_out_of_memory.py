"""Jobs on a real Slurm that take more memory than they have asked for, and are killed: by the kernel, or by Slurm."""

import pytest

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="the extra `slurm` is not installed")

from tests.fixtures import slurm as fixture

WHY_NOT = fixture.why_not()
pytestmark = [pytest.mark.long, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]
LIMIT = "hydra.launcher.mem_per_cpu=500M"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with fixture.cluster(tmp_path_factory.mktemp("limits"), limits=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def seeds():
    return "seed=0,1"


def test_a_job_that_is_out_of_memory_is_told_and_goes_on_with_sweep_resume_or_slurms_requeue(
    launch, seeds, assert_whole, slurm
):
    running = launch(seeds, "tracking=off", LIMIT)
    running.wait_for_checkpoints(2)
    running.let_eat(1)
    running.wait_for(lambda: running.states()[1] == "FAILED", "a job's end")  # for which submitit's `srun` was killed
    running.hurry()
    code, output = running.end()
    assert code == 1, output
    assert "sweep: 1 of 2 jobs finished" in output
    assert f"Job 1 FAILED: out of memory (hydra.launcher.mem_gb=... asks for more), as job {running.ids[1]}" in output
    (end,) = running.events(1, "end")
    assert end["reason"].startswith("out of memory")
    slurm.requeue_what_fails()
    others = {running.process.pid, running.pid(1)}  # of whom the former has told the end
    running.slow.touch()
    running.start("--multirun", "sweep.resume=latest", "hydra/launcher=submitit_slurm", LIMIT)
    running.wait_for(lambda: running.pid(1) not in others, "its going on")
    others.add(running.pid(1))
    running.let_eat(1)
    running.wait_for(lambda: running.pid(1) not in others, "Slurm's taking it up again")
    running.hurry()
    code, output = running.end()
    assert code == 0, output
    assert_whole(running)
