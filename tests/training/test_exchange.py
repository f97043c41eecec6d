"""Layers that add up over the batch, trained by several processes: what they compute is what one computes."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from mnist_trainer.errors import DivergedError, TeamError
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.normalization import BatchNorm
from mnist_trainer.layers.reshape import Flatten
from mnist_trainer.layers.residual import Residual
from mnist_trainer.optimizers.sgd import SGD
from mnist_trainer.training import exchange
from mnist_trainer.training.state import restore, snapshot


def of_images():
    return [BatchNorm(), Residual([Conv2d(1, 3, padding=1, bias=False), BatchNorm()])]


def of_samples():
    return [Flatten(), Linear(5, bias=False), BatchNorm(), Residual([Linear(5, bias=False), BatchNorm()])]


def made(tiny, processes, before=of_images, **fields):
    return tiny.trainer(processes=processes, **{"before": before(), "optimizer": SGD(0.9), "batch_size": 9, **fields})


def trained(*args, **fields):
    trainer = made(*args, **fields)
    trainer.fit()
    return trainer


def assert_same_arrays(trainer, other, **tolerance):
    for name, array in other.model.arrays.items():
        np.testing.assert_allclose(trainer.model.arrays[name], array, err_msg=name, **tolerance)


def bits(trainer):
    return {name: array.tobytes() for name, array in snapshot(trainer).arrays.items()}


@pytest.mark.parametrize(("processes", "epochs"), [(2, 40), pytest.param(3, 8, marks=pytest.mark.long)])
@pytest.mark.parametrize("before", [of_images, of_samples])
@pytest.mark.parametrize("dropout", [0.0, pytest.param(0.4, marks=pytest.mark.long)])
def test_it_learns_what_one_process_learns(tiny, before, processes, epochs, dropout):
    # 40 samples: batches of 9, the last of 4, which 2 and 3 processes divide unevenly
    alone, together = (
        trained(tiny, count, before, dropout=dropout, dtype=np.float64, epochs=epochs) for count in (1, processes)
    )
    assert together.step == 5 * epochs
    assert_same_arrays(together, alone, rtol=1e-10, atol=1e-10)
    assert together.last.validation.loss == pytest.approx(alone.last.validation.loss, rel=1e-9)


@pytest.mark.parametrize("before", [of_images, of_samples])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_batches_smaller_than_the_team_are_trained_too(tiny, before, dropout):
    # The last batch has one sample; where that is one value a channel, the running statistics normalise it
    alone, together = (
        trained(tiny, count, before, batch_size=13, dropout=dropout, dtype=np.float64, epochs=3) for count in (1, 3)
    )
    assert_same_arrays(together, alone, rtol=1e-9, atol=1e-12)


def test_in_single_precision_the_statistics_are_those_of_the_whole_batch_up_to_rounding(tiny):
    images, labels = tiny.data(512, size=7)
    alone, together = (made(tiny, count, data=(images + 100, labels), batch_size=512) for count in (1, 3))
    exact = made(tiny, 1, data=(images + 100, labels), batch_size=512, dtype=np.float64)
    for each in (alone, together, exact):
        with each.together():
            each.update(*next(iter(each.train)))
    for name in ("0.running_mean", "0.running_variance"):
        np.testing.assert_allclose(together.model.arrays[name], exact.model.arrays[name], rtol=2e-7)
    assert_same_arrays(together, alone, rtol=1e-4, atol=1e-5)


def test_the_bits_are_the_same_from_run_to_run(tiny):
    assert bits(trained(tiny, 3, epochs=4)) == bits(trained(tiny, 3, epochs=4))


def test_a_run_resumed_amid_an_epoch_goes_on_bit_for_bit(tiny):
    whole, broken, later = (made(tiny, 2, epochs=3, dropout=0.3, ema_decay=0.9) for _ in range(3))
    whole.fit()
    updates = broken.updates()
    for _ in range(7):
        next(updates)
    state = snapshot(broken)
    state = replace(state, arrays={name: array.copy() for name, array in state.arrays.items()})
    updates.close()
    restore(later, state)
    later.fit()
    assert bits(later) == bits(whole)


class Killing(Layer):
    """Changes nothing; where other processes than the one that made it go forward or backward, they may be killed."""

    samplewise = True

    def __init__(self, *, forward=(), backward=()):
        self.at, self.pid = {"forward": list(forward), "backward": list(backward)}, os.getpid()
        self.times = {"forward": 0, "backward": 0}

    def build(self, in_shape, max_batch, dtype):
        return in_shape

    def forward(self, x, *, training):
        self.pass_by("forward")
        return x

    def backward(self, dy, *, need_dx=True):
        self.pass_by("backward")
        return dy if need_dx else None

    def pass_by(self, way):
        self.times[way] += 1
        if self.times[way] in self.at[way] and os.getpid() != self.pid:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    "killed",
    [{"forward": [3]}, {"backward": [3]}, {"backward": [2, 9]}],
    ids=["going forward", "going backward", "again, later"],
)
def test_where_one_is_killed_others_are_forked_and_the_bits_stay(tiny, caplog, killed):
    whole, bereft = (
        made(tiny, 3, lambda: [BatchNorm(), killing, BatchNorm()], dropout=0.3, epochs=4)  # noqa: B023
        for killing in (Killing(), Killing(**killed))
    )
    whole.fit()
    bereft.fit()
    assert bits(bereft) == bits(whole)
    assert ", one of 3 that train together, was killed by SIGKILL; another does its part from now on" in caplog.text


def test_where_one_is_killed_at_rest_others_are_forked_and_the_bits_stay(tiny, caplog):
    whole, bereft = (made(tiny, 3, epochs=3) for _ in range(2))
    whole.fit()
    updates = bereft.updates()
    next(updates)
    pids = list(bereft.worker._members.pids.values())
    os.kill(pids[0], signal.SIGKILL)
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
    next(updates)
    others = list(bereft.worker._members.pids.values())
    for _ in updates:
        pass
    assert len(set(pids + others)) == 4
    assert bits(bereft) == bits(whole)
    assert f"process {pids[0]}, one of 3 that train together, was killed by SIGKILL; another does" in caplog.text


class Failing(Killing):
    """In other processes than the one that made it, it fails at every part."""

    def pass_by(self, way):
        if os.getpid() != self.pid:
            raise MemoryError("no room")


def test_one_that_fails_again_and_again_ends_the_run_with_words(tiny):
    trainer = made(tiny, 2, lambda: [BatchNorm(), Failing(), BatchNorm()])
    with pytest.raises(TeamError, match="one of 2 processes that train together ends whenever it does its part"):
        trainer.fit()
    assert not trainer.at_rest


def test_others_that_can_not_be_forked_anew_end_the_run_with_words(tiny, monkeypatch):
    def no_process():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    trainer = made(tiny, 2, epochs=1000)
    updates = trainer.updates()
    next(updates)
    monkeypatch.setattr(os, "fork", no_process)
    os.kill(*trainer.worker._members.pids.values(), signal.SIGKILL)
    with pytest.raises(TeamError, match="2 processes that train together need processes of their own: Resource temp"):
        for _ in updates:
            pass


def test_where_it_diverges_it_says_so_as_one_process_does(tiny):
    told = []
    for processes in (1, 3):
        with pytest.raises(DivergedError) as error:
            made(tiny, processes, learning_rate=1e38, epochs=10).fit()
        told.append(str(error.value))
    assert told[1] == told[0]


def test_sums_larger_than_the_room_are_added_up_too(tiny, monkeypatch):
    monkeypatch.setattr(exchange, "ROOM", 3)
    alone, together = (trained(tiny, count, of_samples, dtype=np.float64) for count in (1, 3))
    assert_same_arrays(together, alone, rtol=1e-9, atol=1e-12)


def test_evaluation_exchanges_nothing(tiny):
    trainer = made(tiny, 2)
    with trainer.together():
        (pid,) = trainer.worker._members.pids.values()
        os.kill(pid, signal.SIGSTOP)
        assert trainer.evaluate(trainer.validation).confusion.sum() == trainer.validation.samples


@pytest.mark.parametrize("sums", [np.arange(6.0).reshape(2, 3).T, np.array([2.0**24 + 1]), np.arange(10_000.0)])
def test_a_layer_s_sums_may_lie_as_they_will_and_become_the_same_in_all_processes(sums):
    added = exchange.Exchange(2, np.float32, lambda number: True)
    mine, others = sums.T.copy().T, sums.T.copy().T
    with ThreadPoolExecutor() as other:
        taken = other.submit(added.add_up, 1, others)
        assert added.add_up(0, mine) is mine
        assert taken.result() is others
    np.testing.assert_array_equal(mine, others)
    np.testing.assert_array_equal(mine, 2 * sums.astype(np.float32))
