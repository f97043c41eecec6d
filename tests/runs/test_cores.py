"""`trainer.threads`: a rule on sizes; and how many CPUs a job has."""

import errno
import os
from multiprocessing import synchronize

import pytest

from mnist_trainer.api import build_data, build_trainer, compose
from mnist_trainer.errors import ConfigError
from mnist_trainer.runs import cores as rule
from mnist_trainer.runs.checkpoints import RunCheckpoint
from mnist_trainer.runs.cores import Cores, cores_for, product_threads


@pytest.fixture(scope="module")
def dataset():
    return build_data(compose(["data=digits"]).data)


@pytest.fixture
def usable(monkeypatch):
    """Say how many cores the job has."""
    return lambda count: monkeypatch.setattr(rule, "own_cpus", lambda: count)


def cores(dataset, *overrides):
    config = compose(["data=digits", *overrides])
    trainer, _ = build_trainer(config, dataset)
    return cores_for(config.trainer, trainer)


WIDE = ["model.hidden=[1024,1024]", "batch_size=256"]


@pytest.mark.parametrize(
    ("overrides", "count", "expected"),
    [
        ([], 2, Cores(1, 1)),  # too small
        (WIDE, 2, Cores(2, 1)),
        (WIDE, 1, Cores(1, 1)),
        (WIDE, 64, Cores(4, 1)),
        ([*WIDE, "batch_size=20"], 64, Cores(1, 1)),  # 16 images each
        ([*WIDE, "loss=mistakes/sum_for_mean"], 2, Cores(1, 1)),
        (["trainer.threads=2"], 1, Cores(2, 1)),
        (["trainer.threads=1"], 8, Cores(1, 1)),
        (["trainer.threads=2", "loss=mistakes/diagonal"], 2, Cores(1, 2)),
        (["trainer.threads=3", "batch_size=2"], 4, Cores(1, 3)),
    ],
)
def test_the_rule(dataset, usable, overrides, count, expected):
    usable(count)
    assert cores(dataset, *overrides) == expected


def test_more_processes_than_processors_are_told_of(dataset, monkeypatch, caplog):
    monkeypatch.setattr(rule, "usable_cpus", lambda: 2)
    assert cores(dataset, "trainer.threads=2") == Cores(2, 1)
    assert not caplog.messages
    assert cores(dataset, "trainer.threads=3") == Cores(3, 1)
    assert caplog.messages == ["trainer.threads=3: there are 2 CPUs to use; more take longer"]


def test_a_resumed_run_keeps_its_processes_where_the_samples_can_be_parted(dataset):
    config = compose(["data=digits"])
    for loss, expected in (("fused", Cores(3, 1)), ("mistakes/diagonal", Cores(1, 1))):
        trainer, _ = build_trainer(compose(["data=digits", f"loss={loss}"]), dataset)
        assert cores_for(config.trainer, trainer, kept=3) == expected


def test_batch_normalisation_is_shared_too(dataset, usable):
    usable(2)
    layers = "model.layers=[{kind: flatten},{kind: linear, units: 2048},{kind: batch_norm},{kind: linear, units: 10}]"
    assert cores(dataset, "model=custom", layers, "batch_size=256") == Cores(2, 1)


def test_tasks_that_train_in_one_process_give_the_products_what_a_number_says():
    assert product_threads(compose([]).trainer) == 1
    assert product_threads(compose(["trainer.threads=3"]).trainer) == 3


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "true", "null", "[1]"])
def test_what_is_no_number_of_cores_is_told(dataset, value):
    with pytest.raises(ConfigError, match=r"trainer\.threads"):
        cores(dataset, f"trainer.threads={value}")


@pytest.fixture
def _no_semaphores(monkeypatch):
    """As where /dev/shm is read-only."""

    def refused(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(synchronize, "Semaphore", refused)


@pytest.mark.usefixtures("_no_semaphores")
def test_auto_goes_on_in_one_process_and_has_its_bits(command, usable):
    usable(2)
    given = ("data=digits", "tracking=off", "epochs=1", *WIDE)
    auto = command(*given)
    one = command(*given, "trainer.threads=1", folder=auto.folder / "one")
    assert (auto.code, one.code) == (0, 0)
    assert "Read-only file system; this one trains alone" in auto.output
    assert "alone" not in one.output
    assert (auto.run / "last.npz").read_bytes() == (one.run / "last.npz").read_bytes()
    assert RunCheckpoint.load(auto.run / "checkpoint.npz").about.processes == 1


@pytest.mark.usefixtures("_no_semaphores")
@pytest.mark.parametrize("tracking", ["off", "mlflow"])
def test_a_number_that_can_not_be_had_begins_nothing(command, tracking):
    done = command("data=digits", f"tracking={tracking}", "trainer.threads=2")
    assert done.code == 2
    assert "trainer.threads=2: 2 processes that train together need semaphores" in done.output
    assert "Read-only file system; give trainer.threads=1" in done.output
    assert done.folders == []


def test_where_threads_can_not_be_set_training_goes_on(monkeypatch, caplog):
    def unknown(*args):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(rule, "threadpool_limits", unknown)
    with rule.product_limits(3):
        assert "can't be set to 3" in caplog.text
        assert "No usable temporary directory" in caplog.text


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with eight CPUs, and no quota."""
    for name in rule.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(rule, "QUOTA", tmp_path / "cpu.max")
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(
    ("quota", "usable"),
    [("max 100000", 8), ("300000 100000", 3), ("50000 100000", 1), ("9900000 100000", 8), ("nonsense", 8)],
)
def test_a_container_s_quota_counts(machine, quota, usable):
    machine.write_text(f"{quota}\n")
    assert rule.usable_cpus() == usable


@pytest.mark.parametrize(("jobs", "own"), [(1, 8), (2, 4), (3, 2), (8, 1), (20, 1)])
def test_jobs_side_by_side_have_equal_shares(machine, jobs, own, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    rule.share_cpus_among_runs(jobs)
    assert rule.own_cpus() == own
    assert {os.environ[name] for name in rule.THREADS} == {str(own)}


@pytest.mark.parametrize(("granted", "own"), [("3", 3), ("100", 8), ("", 8), ("0", 1), ("2,1", 8)])
def test_what_the_environment_grants_counts_up_to_what_there_is(machine, monkeypatch, granted, own):
    monkeypatch.setenv("OMP_NUM_THREADS", granted)
    assert rule.own_cpus() == own


def test_a_share_is_no_larger_than_what_the_user_granted(machine, monkeypatch):
    monkeypatch.setattr(os, "environ", {**os.environ, "OMP_NUM_THREADS": "1"})
    rule.share_cpus_among_runs(2)
    assert rule.own_cpus() == 1


def test_threads_beyond_the_share_are_told_and_not_taken(machine, monkeypatch, caplog):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [rule.affordable_threads(threads) for threads in (1, 2)] == [1, 2]
    assert caplog.text == ""
    assert rule.affordable_threads(4) == 2
    assert "trainer.threads=4: beside the sweep's other jobs this one has 2 CPUs" in caplog.text
