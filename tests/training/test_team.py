"""Several processes that share every update: what they compute is what one computes."""

import copy
import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from multiprocessing import synchronize

import numpy as np
import pytest

from mnist_trainer import model
from mnist_trainer.data.augmentation import Augmentation
from mnist_trainer.errors import NoTeamError, TeamError
from mnist_trainer.kernels.shared import shared_zeros
from mnist_trainer.layers.activations import Tanh
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.normalization import BatchNorm, LayerNorm
from mnist_trainer.layers.residual import Residual
from mnist_trainer.losses.mistakes import SumForMean
from mnist_trainer.losses.softmax_loss import SoftmaxLoss
from mnist_trainer.optimizers.adam import Adam, AdamW
from mnist_trainer.optimizers.rmsprop import RMSprop
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.training import team
from mnist_trainer.training.state import restore, snapshot
from mnist_trainer.training.team import can_share


def trained(tiny, processes, **fields):
    trainer = tiny.trainer(processes=processes, **{"dtype": np.float64, "batch_size": 9, **fields})
    trainer.fit()
    return trainer


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": lambda: SGD(momentum=0.9, weight_decay=0.1)},
        {"optimizer": lambda: SGD(nesterov=True, weight_decay=0.1, decay="decoupled"), "clip_norm": 0.3},
        {"optimizer": lambda: SGD(momentum=0.9), "clip_norm": "auto"},
        {"optimizer": lambda: Adam(weight_decay=0.01), "learning_rate": 0.01, "mode": "separate"},
        {"optimizer": lambda: AdamW(), "learning_rate": 0.01, "dropout": 0.4},
        {"optimizer": lambda: RMSprop(), "learning_rate": 0.01, "log_every": 1},
    ],
    ids=["momentum", "clipping", "clipping, auto", "adam, separate", "adamw, dropout", "rmsprop, norms"],
)
def test_it_learns_what_one_process_learns(tiny, recorder, processes, fields):
    ends = []
    for count in (1, processes):
        heard = recorder()
        optimizer = fields["optimizer"]()
        ends.append((trained(tiny, count, **{**fields, "optimizer": optimizer, "callbacks": [heard]}), heard))
    (alone, one), (together, other) = ends
    np.testing.assert_allclose(together.model.parameters.values, alone.model.parameters.values, rtol=1e-9, atol=1e-12)
    for name, array in alone.optimizer.state().items():
        np.testing.assert_allclose(together.optimizer.state()[name], array, rtol=1e-9, atol=1e-12, err_msg=name)
    for mine, theirs in zip(other.told("on_record"), one.told("on_record"), strict=True):
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-9)
        assert mine.accuracy == theirs.accuracy
        assert mine.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-9)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_batches_smaller_than_the_team_are_trained_too(tiny, dropout):
    # 40 samples: the last batch has one; all draw the masks of all rows, also those without any
    alone, together = (trained(tiny, count, batch_size=13, dropout=dropout, epochs=3) for count in (1, 3))
    np.testing.assert_allclose(together.model.parameters.values, alone.model.parameters.values, rtol=1e-9)


def test_the_bits_are_the_same_from_run_to_run(tiny):
    first, second = (trained(tiny, 3, dtype=np.float32, epochs=4) for _ in range(2))
    assert first.model.parameters.values.tobytes() == second.model.parameters.values.tobytes()


def test_the_bits_do_not_depend_on_who_does_the_work(tiny):
    free, held = (tiny.trainer(processes=3, epochs=3) for _ in range(2))
    free.fit()
    with held.together():
        pids = list(held.worker._members.pids.values())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)  # as if the machine had no core for them
        for _ in range(3):
            for batch in held.train:
                held.update(*batch)
    assert held.model.parameters.values.tobytes() == free.model.parameters.values.tobytes()


def test_a_resumed_team_goes_on_bit_for_bit(tiny):
    whole, broken, later = (tiny.trainer(processes=2, epochs=3, dropout=0.3, optimizer=Adam()) for _ in range(3))
    whole.fit()
    updates = broken.updates()
    for _ in range(7):
        next(updates)
    state = snapshot(broken)
    state = replace(state, arrays={name: array.copy() for name, array in state.arrays.items()})
    updates.close()
    restore(later, state)
    later.fit()
    assert later.model.parameters.values.tobytes() == whole.model.parameters.values.tobytes()


def test_breaking_off_leaves_the_optimizer_whole_and_no_process(tiny):
    trainer, alone = (tiny.trainer(processes=count, optimizer=Adam(), dtype=np.float64) for count in (2, 1))
    for each in (trainer, alone):
        updates = each.updates()
        for _ in range(3):
            next(updates)
        pids = list(each.worker._members.pids.values() if each is trainer else ())
        updates.close()
        assert not any(lives(pid) for pid in pids)
    np.testing.assert_allclose(trainer.optimizer.state()["second"], alone.optimizer.state()["second"], rtol=1e-9)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("when", ["at rest", "at work"])
def test_where_one_is_killed_the_first_does_its_part_with_the_same_bits(tiny, caplog, dropout, when):
    whole, bereft = (
        tiny.trainer(processes=3, dropout=dropout, epochs=6, optimizer=Adam(), before=[killing])
        for killing in (Killing(None), Killing(3 if when == "at work" else None))
    )
    whole.fit()
    updates = bereft.updates()
    next(updates)
    pids = list(bereft.worker._members.pids.values())
    if when == "at rest":
        os.kill(pids[0], signal.SIGKILL)
        os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)  # a busy machine lets it die late
    for _ in updates:
        pass
    assert bereft.model.parameters.values.tobytes() == whole.model.parameters.values.tobytes()
    assert bereft.optimizer.state()["second"].tobytes() == whole.optimizer.state()["second"].tobytes()
    lost = pids[:1] if when == "at rest" else pids
    told = [f"process {pid}, one of 3 that train together, was killed by SIGKILL; this one does its" for pid in lost]
    if dropout or when == "at rest":  # otherwise the first process may have been quicker
        assert [line in caplog.text for line in told] == [True] * len(told)


class Killing(Layer):
    """Changes nothing; on the third occasion another process than the one that made it is killed."""

    samplewise = True

    def __init__(self, at):
        self.at, self.pid, self.times = at, os.getpid(), 0

    def build(self, in_shape, max_batch, dtype):
        return in_shape

    def forward(self, x, *, training):
        self.times += 1
        if self.times == self.at and os.getpid() != self.pid:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    def backward(self, dy, *, need_dx=True):
        return dy if need_dx else None


class KillingStep(SGD):
    """Kills another process than the one that made it in the midst of its step."""

    def build(self, *args):
        super().build(*args)
        self.pid = os.getpid()

    def step(self, *args):
        if os.getpid() != self.pid:
            os.kill(os.getpid(), signal.SIGKILL)
        super().step(*args)


def test_one_that_is_killed_in_the_midst_of_a_step_ends_the_run_with_its_reason(tiny):
    trainer = tiny.trainer(processes=2, epochs=1000, optimizer=KillingStep())
    reason = r"process \d+, one of 2 that train together, was killed by SIGKILL, in the midst of an update"
    with pytest.raises(TeamError, match=reason):
        trainer.fit()
    assert not trainer.at_rest  # no checkpoint of half an update


def test_whose_children_somebody_else_waits_for_is_told_that_one_is_gone(tiny, caplog):
    trainer = tiny.trainer(processes=2)
    with trainer.together():
        (pid,) = trainer.worker._members.pids.values()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for batch in trainer.train:
            trainer.update(*batch)
    assert f"process {pid}, one of 2 that train together, ended; this one does its part" in caplog.text


def test_a_team_that_can_not_be_whole_is_none(tiny, monkeypatch):
    fork, forked = os.fork, []

    def only_once():
        if forked:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        pid = fork()
        forked.extend([pid] if pid else [])
        return pid

    monkeypatch.setattr(os, "fork", only_once)
    with pytest.raises(TeamError, match="3 processes that train together need processes of their own: Resource temp"):
        tiny.trainer(processes=3).fit()
    assert not any(lives(pid) for pid in forked)


def no_semaphores(*args, **kwargs):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def no_memory(*args):
    raise MemoryError("12 numbers of float32: Cannot allocate memory")


def no_mapping(*args):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def no_library(*args, **kwargs):
    raise ImportError("This platform lacks a functioning sem_open implementation")


def no_process():
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


REFUSALS = {
    "semaphores, which lie in /dev/shm: Read-only file system": (synchronize, "Semaphore", no_semaphores),
    "semaphores, which lie in /dev/shm: This platform lacks": (synchronize, "Semaphore", no_library),
    "shared memory: 12 numbers of float32: Cannot allocate memory": (team, "shared_zeros", no_memory),
    "shared memory: Operation not permitted": (model, "show_at", no_mapping),
    "processes of their own: Resource temporarily unavailable": (os, "fork", no_process),
}


@pytest.mark.parametrize(("told", "place"), REFUSALS.items(), ids=[what.rpartition(":")[2] for what in REFUSALS])
def test_what_the_system_refuses_is_told_or_done_without(tiny, monkeypatch, caplog, told, place):
    alone = trained(tiny, 1)
    monkeypatch.setattr(*place)
    with pytest.raises(NoTeamError, match=f"2 processes that train together need {re.escape(told)}"):
        trained(tiny, 2)
    assert caplog.text == ""
    fallen_back = trained(tiny, 2, or_alone=True)
    assert fallen_back.model.parameters.values.tobytes() == alone.model.parameters.values.tobytes()
    assert fallen_back.processes == 1
    assert told in caplog.text
    assert "this one trains alone" in caplog.text


def test_two_teams_may_take_turns_at_one_model(tiny):
    teams, alone = ([tiny.trainer(processes=count, dtype=np.float64) for _ in range(2)] for count in (2, 1))
    for pair in (teams, alone):
        first, second = pair
        second.model = first.model
        second.worker = type(second.worker)(first.model, second.loss, second.optimizer)
        steps = [trainer.updates() for trainer in pair]
        for _ in range(4):
            for each in steps:
                next(each)
        for each in steps:
            each.close()
    np.testing.assert_allclose(teams[0].model.parameters.values, alone[0].model.parameters.values, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from Python 3.12 on
def test_after_it_the_gradients_are_the_processes_own_again(tiny):
    model = trained(tiny, 2).model
    model.parameters.gradients.fill(3)
    pid = os.fork()
    if pid == 0:
        model.parameters.gradients.fill(4)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert (model.parameters.gradients == 3).all()


@pytest.mark.parametrize("refusal", [OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryError()], ids=["os", "py"])
def test_gradients_that_can_not_be_given_back_lose_no_training(tiny, monkeypatch, refusal):
    def refuse(place):
        raise refusal

    whole = trained(tiny, 2)
    monkeypatch.setattr(model, "hide_at", refuse)
    assert trained(tiny, 2).model.parameters.values.tobytes() == whole.model.parameters.values.tobytes()


def test_an_interrupt_while_gradients_are_shown_leaves_none_behind(tiny, monkeypatch):
    parameters = tiny.trainer().model.parameters
    first, second = (shared_zeros(parameters.size, np.float32) for _ in range(2))
    parameters.show_gradients(first)
    show = model.show_at

    def interrupted(*arrays):
        show(*arrays)
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "show_at", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parameters.show_gradients(second)
    monkeypatch.setattr(model, "show_at", show)
    parameters.show_gradients(first)
    parameters.gradients.fill(1)
    assert (first == 1).all()
    assert not second.any()


def test_a_copied_model_is_trained_alone(tiny, caplog):
    trainer, alone = (tiny.trainer(processes=count, or_alone=True) for count in (2, 1))
    for each in (trainer, alone):
        each.model = copy.deepcopy(each.model)
        each.worker = type(each.worker)(each.model, each.loss, each.optimizer)
        each.fit()
    assert "gradients that have no pages of their own; this one trains alone" in caplog.text
    assert trainer.model.parameters.values.tobytes() == alone.model.parameters.values.tobytes()


def test_one_that_is_stopped_does_not_hold_up_the_end(tiny):
    trainer = tiny.trainer(processes=2)
    with trainer.together():
        (pid,) = trainer.worker._members.pids.values()
        os.kill(pid, signal.SIGSTOP)
    assert not lives(pid)


def test_more_processes_than_sections_train_too(tiny):
    alone, together = (trained(tiny, count, batch_size=40) for count in (1, 20))
    np.testing.assert_allclose(together.model.parameters.values, alone.model.parameters.values, rtol=1e-9)


@pytest.mark.parametrize("normalisation", ["", "{kind: batch_norm},"], ids=["", "adding up"])
def test_the_others_leave_when_the_first_is_killed(tmp_path, start, normalisation):
    layers = f"model.layers=[{{kind: flatten}},{normalisation}{{kind: linear, units: 10}}]"
    script = textwrap.dedent(f"""
        from mnist_trainer.api import build_data, build_trainer, compose
        config = compose(["data=digits", "epochs=100000", "tracking=off", "model=custom", "{layers}"])
        trainer, _ = build_trainer(config, build_data(config.data))
        trainer.processes = 2
        updates = trainer.updates()
        next(updates)
        print(*trainer.worker._members.pids.values(), flush=True)
        for _ in updates:
            pass
    """)
    process = start([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert lives(pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 300
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not lives(pid)


def lives(pid):
    """Whether the process is there, and more than a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Own(Layer):
    """A user's layer, which says nothing of its samples."""

    def forward(self, x, *, training):
        return x

    def backward(self, dy, *, need_dx=True):
        return dy


class OwnTanh(Tanh):
    """One that is derived from one that does."""


class OwnBatchNorm(BatchNorm):
    """Another one."""


class OwnSGD(SGD):
    """An optimizer that may look at the whole vector."""


class OwnLoss(SoftmaxLoss):
    """A loss that may weigh a sample by the others."""


@pytest.mark.parametrize(
    ("fields", "shares"),
    [
        ({}, True),
        ({"dropout": 0.5, "mode": "separate"}, True),
        ({"before": [LayerNorm()]}, True),
        ({"before": [Residual([LayerNorm()])]}, True),
        ({"before": [BatchNorm()]}, True),
        ({"before": [Residual([BatchNorm()])]}, True),
        ({"before": [OwnBatchNorm()]}, False),
        ({"before": [Own()]}, False),
        ({"before": [OwnTanh()]}, False),
        ({"optimizer": OwnSGD()}, False),
        ({"loss": OwnLoss()}, False),
        ({"loss": SumForMean()}, False),
    ],
)
def test_only_what_treats_every_sample_alone_or_adds_up_is_shared(tiny, fields, shares):
    trainer = tiny.trainer(**fields)
    assert can_share(trainer.model, trainer.loss, trainer.optimizer) is shares


def test_its_batches_are_augmented_with_the_bits_of_one_process(tiny):
    how = Augmentation(shift=0.2, rotation=30.0, elastic=0.1, erasing=0.5)
    seen = []
    for processes in (1, 2):
        trainer = tiny.trainer(processes=processes, batch_size=9, augmentation=how)
        seen.append([update.x.tobytes() for update in trainer.updates()])
    assert seen[0] == seen[1]
