import pickle
import signal
import sys
import threading
import time
import weakref

import pytest

from mnist_trainer.runs.outcome import status_of_error
from mnist_trainer.training.interruption import (
    IMPATIENT,
    SIGNALS,
    Interrupted,
    Interruption,
    handle_signals,
    raise_on_signals,
)
from mnist_trainer.training.trainer import Callback

CODES = [(number, 128 + number) for number in SIGNALS]


@pytest.fixture(autouse=True)
def _handlers_are_given_back():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:  # as of tests in the background, or by nohup
            signal.signal(number, signal.SIG_DFL)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    now = {number: signal.getsignal(number) for number in handlers}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert now == handlers


class Asks(Callback):
    """Sends the process a signal in the third update."""

    def __init__(self, number, times=1):
        self.number, self.times, self.updates, self.recorded = number, times, 0, []

    def on_update(self, samples):
        self.updates += 1
        if self.updates == 3:
            for _ in range(self.times):
                signal.raise_signal(self.number)

    def on_record(self, record):
        self.recorded.append(record.step)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_stops_after_the_update_at_hand(tiny, recorder, number, code):
    asks, heard = Asks(number), recorder()
    trainer = tiny.trainer(callbacks=[asks, heard], log_every=3)
    with pytest.raises(Interrupted) as caught, trainer.interruption:
        trainer.fit()
    assert trainer.step == 3
    assert asks.recorded == [3]  # the update is told about before the stop
    assert heard.events[-1] == ("on_end",)
    assert (caught.value.signal, caught.value.exit_code, str(caught.value)) == (number, code, number.name)
    assert isinstance(caught.value, KeyboardInterrupt)


@pytest.mark.parametrize(("number", "code"), [each for each in CODES if each[0] in IMPATIENT])
def test_a_second_signal_stops_at_once(tiny, number, code):
    asks = Asks(number, times=2)
    trainer = tiny.trainer(callbacks=[asks], log_every=3)
    with pytest.raises(Interrupted) as caught, trainer.interruption:
        trainer.fit()
    assert asks.recorded == []
    assert caught.value.exit_code == code


def test_a_lost_terminal_s_second_signal_hurries_nobody(tiny):
    asks = Asks(signal.SIGHUP, times=2)
    trainer = tiny.trainer(callbacks=[asks], log_every=3)
    with pytest.raises(Interrupted, match="SIGHUP"), trainer.interruption:
        trainer.fit()
    assert asks.recorded == [3]


def test_what_is_ignored_stays_ignored(tiny):
    before = {number: signal.getsignal(number) for number in SIGNALS}  # a test run in the background ignores some, too
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as by nohup
    try:
        handle_signals(lambda number, frame: pytest.fail("it was taken"))
        trainer = tiny.trainer(callbacks=[Asks(signal.SIGHUP)])
        with trainer.interruption:
            trainer.fit()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert trainer.step == 10


@pytest.fixture
def handled():
    """A handler that was there before ours, as a cluster's: what it was told, and what it does then."""
    told, does = [], []

    def handler(number, frame):
        told.append(number)
        for each in does:
            each()

    before = signal.signal(signal.SIGUSR2, handler)
    yield told, does
    signal.signal(signal.SIGUSR2, before)


def test_a_handler_that_was_there_before_is_called_at_rest_and_training_goes_on(tiny, handled):
    told, does = handled
    asks = Asks(signal.SIGUSR2, times=2)
    trainer = tiny.trainer(callbacks=[asks])
    does.append(lambda: told.append((trainer.step, trainer.at_rest)))
    with trainer.interruption:
        trainer.fit()
    assert told == [signal.SIGUSR2, (3, True)]
    assert trainer.step == 10


def test_a_handler_that_was_there_before_may_end_the_run(tiny, handled):
    _, does = handled
    does.append(lambda: sys.exit(7))
    trainer = tiny.trainer(callbacks=[Asks(signal.SIGUSR2)])
    with pytest.raises(SystemExit) as end, trainer.interruption:
        trainer.fit()
    assert (trainer.step, end.value.code) == (3, 7)
    assert status_of_error(end.value) == ("KILLED", "interrupted by SIGUSR2")


def test_one_that_came_after_the_last_update_is_handed_on_too(handled):
    with Interruption():
        signal.raise_signal(signal.SIGUSR2)
        assert handled[0] == []
    assert handled[0] == [signal.SIGUSR2]


def test_the_first_signal_only_asks():
    with Interruption() as interruption:
        interruption.check()
        signal.raise_signal(signal.SIGTERM)
        assert interruption.requested == signal.SIGTERM
        with pytest.raises(Interrupted):
            interruption.check()


def test_handlers_are_given_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)

    def fail():
        assert signal.getsignal(signal.SIGINT) != before
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Interruption():
        fail()
    assert signal.getsignal(signal.SIGINT) == before


def test_outside_the_main_thread_nothing_happens(tiny):
    trainer, failures = tiny.trainer(), []
    before = signal.getsignal(signal.SIGINT)

    def run():
        try:
            with trainer.interruption:
                assert signal.getsignal(signal.SIGINT) == before
                trainer.fit()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failures == []
    assert trainer.step == 10


def test_a_run_that_does_not_take_the_signals_leaves_them_alone(tiny):
    before = signal.getsignal(signal.SIGINT)

    class Looks(Callback):
        def on_update(self, samples):
            assert signal.getsignal(signal.SIGINT) == before

    tiny.trainer(callbacks=[Looks()]).fit()


def test_an_interruption_can_be_sent_between_processes():
    sent = pickle.loads(pickle.dumps(Interrupted(signal.SIGTERM)))
    assert (str(sent), sent.exit_code) == ("SIGTERM", 143)


class Signalling:
    """Sends a signal as it is collected: what is raised there, Python prints and forgets."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def collect_signalling():
    del [Signalling()][0]


def end_weakly_held():
    held = Asks(signal.SIGTERM)
    weakref.finalize(held, signal.raise_signal, signal.SIGTERM)
    del held


@pytest.mark.parametrize("meet", [collect_signalling, end_weakly_held])
def test_a_signal_that_comes_while_objects_are_collected_is_not_lost(meet):
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def meet_and_wait():
        meet()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.001)

    raise_on_signals()
    try:
        with pytest.raises(Interrupted, match="SIGTERM"):
            meet_and_wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
