"""A sweep on a real Slurm of two nodes, and what it would be had nobody disturbed it."""

import pytest

from tests.fixtures import slurm as fixture
from tests.fixtures.slurm import Sweep, metrics_of


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with fixture.cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def launch(slurm, tmp_path):
    """Begin a sweep on the cluster whose jobs are slow."""
    begun = []

    def begin(*arguments):
        (tmp_path / "slow").touch()
        begun.append(Sweep(slurm, tmp_path, *arguments))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


@pytest.fixture(scope="module")
def seeds():
    """What the tests of a file sweep over."""
    return "seed=0,1,2"


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory, seeds):
    """The same sweep without a cluster, and without any trouble."""
    folder = tmp_path_factory.mktemp("undisturbed")
    whole = Sweep(slurm, folder, seeds, "tracking=off", launcher="hydra/launcher=basic")
    code, output = whole.end()
    assert code == 0, output
    return whole


@pytest.fixture
def assert_whole(undisturbed, content):
    """Fail unless a sweep is what it would be had nobody disturbed it, in its folders and in MLflow."""

    def check(sweep):
        assert [job.name for job in sweep.jobs] == [job.name for job in undisturbed.jobs]
        assert [content(job) for job in sweep.jobs] == [content(job) for job in undisturbed.jobs]
        if not sweep.tracked:
            return
        sent, statuses = metrics_of(sweep.place)
        assert (set(sent), set(sent.values()), set(statuses)) == (sweep.told(), {1}, {"FINISHED"})

    return check
