"""What a sweep and its jobs are called: for what varies."""

import pytest

from mnist_trainer.sweeps.names import job_name, sweep_name, varies_loss_alone
from mnist_trainer.sweeps.record import SweepRecord


@pytest.mark.parametrize(
    ("swept", "job", "name"),
    [
        (["optimizer.lr=1,2", "model.hidden=[8],[9]"], ["optimizer.lr=1", "model.hidden=[8]"], "lr=1 hidden=[8]"),
        (["loss=fused,separate", "seed=0,1"], ["loss=separate", "seed=1"], "separate s1"),
        (["loss=fused,mistakes/posted_answer"], ["loss=mistakes/posted_answer"], "posted_answer"),
        (["epochs=1,2", "model=mlp,lenet5"], ["epochs=2", "model=lenet5"], "epochs=2 lenet5"),
        (["optimizer.lr=0.1,0.2", "other.lr=1,2"], ["optimizer.lr=0.1", "other.lr=2"], "optimizer.lr=0.1 other.lr=2"),
        (["optimizer.lr=interval(0.001,1)"], ["optimizer.lr=0.0123456789012"], "lr=0.01235"),  # drawn, not typed
        (["loss.name=a,b"], ["loss.name=a"], "loss.name=a"),
        (["optimizer.lr=tag(log,interval(0.001,1))"], ["optimizer.lr=0.03"], "lr=0.03"),  # another sweeper's
        ([], [], ""),
    ],
)  # fmt: skip
def test_a_job_is_called_for_its_values_of_what_varies(swept, job, name):
    record = SweepRecord("a1", ["data=digits", *swept], None)
    assert job_name(record, ["data=digits", *job]) == name


def test_a_key_that_a_resumed_sweep_was_extended_by_is_in_the_names():
    record = SweepRecord("a1", ["seed=0,1"], [["seed=0", "epochs=1"], ["seed=1", "epochs=1"], ["seed=1", "epochs=2"]])
    assert job_name(record, record.jobs[2]) == "s1 epochs=2"


def test_a_sweep_is_called_for_its_keys():
    assert sweep_name(["data=digits", "optimizer.lr=0.1,0.2", "loss=fused,separate"]) == "sweep over lr, loss"
    assert sweep_name(["data=digits"]) == "sweep"


@pytest.mark.parametrize(
    ("swept", "alone"), [("seed=0,1", True), ("loss=fused,separate", True), ("optimizer.lr=1,2", False)]
)
def test_modes_have_their_colours_where_nothing_else_tells_two_curves_of_one_apart(swept, alone):
    assert varies_loss_alone(SweepRecord("a1", ["epochs=1", swept], None)) == alone
