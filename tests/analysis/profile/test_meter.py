"""The meter: time goes to whom it belongs, and nothing is left of the wrapping."""

import pytest

from mnist_trainer.analysis.profile import meter as module
from mnist_trainer.analysis.profile.meter import Meter, TimedPart


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but when it is moved."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


class Nested:
    def __init__(self, clock):
        self.clock = clock

    def outer(self, times):
        self.clock(1)
        for _ in range(times):
            self.inner()
        return "done"

    def inner(self):
        self.clock(10)


def test_a_part_gets_the_time_that_it_takes_itself(clock):
    nested, meter = Nested(clock), Meter()

    def step():
        clock(100)
        assert nested.outer(3) == "done"

    with meter.wrapping([TimedPart("outer", nested, "outer"), TimedPart("inner", nested, "inner")]):
        assert meter.step(step, "rest") == {"outer": 1, "inner": 30, "rest": 100}
        assert meter.step(lambda: nested.inner(), "rest") == {"inner": 10, "rest": 0}


def test_an_error_passes_and_leaves_the_books_in_order(clock):
    nested, meter = Nested(clock), Meter()

    def fail():
        clock(5)
        raise ZeroDivisionError

    nested.inner = fail
    with meter.wrapping([TimedPart("outer", nested, "outer"), TimedPart("inner", nested, "inner")]):
        with pytest.raises(ZeroDivisionError):
            meter.step(lambda: nested.outer(1), "rest")
        del nested.inner
        assert meter.step(lambda: nested.outer(0), "rest") == {"outer": 1, "rest": 0}
    nested.inner = None  # `wrapping` puts back what the object itself held
