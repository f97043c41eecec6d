import os

import pytest

from mnist_trainer.runs import cores


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine with eight CPUs, and no quota."""
    for name in cores.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(
    ("quota", "usable"),
    [("max 100000", 8), ("300000 100000", 3), ("50000 100000", 1), ("9900000 100000", 8), ("nonsense", 8)],
)
def test_a_container_s_quota_counts(machine, quota, usable):
    machine.write_text(f"{quota}\n")
    assert cores.usable_cpus() == usable


@pytest.mark.parametrize(("jobs", "own"), [(1, 8), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_jobs_side_by_side_have_equal_shares(jobs, own, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    cores.share_cpus(jobs)
    assert cores.own_cpus() == own
    assert {os.environ[name] for name in cores.THREADS} == {str(own)}


@pytest.mark.parametrize(("granted", "own"), [("3", 3), ("100", 8), ("", 8), ("0", 1), ("2,1", 8)])
def test_what_the_environment_grants_counts_up_to_what_there_is(monkeypatch, granted, own):
    monkeypatch.setenv("OMP_NUM_THREADS", granted)
    assert cores.own_cpus() == own


def test_a_share_is_no_larger_than_what_the_user_granted(monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ, "OMP_NUM_THREADS": "1"})
    cores.share_cpus(2)
    assert cores.own_cpus() == 1


def test_threads_beyond_the_share_are_told_and_not_taken(monkeypatch, caplog):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [cores.affordable(threads) for threads in (1, 2)] == [1, 2]
    assert caplog.text == ""
    assert cores.affordable(4) == 2
    assert "trainer.threads=4: beside the sweep's other jobs this one has 2 CPUs" in caplog.text
