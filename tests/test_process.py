"""What a process has only one of: threads that change it at once give it back as it was."""

import threading
import warnings
from contextlib import contextmanager

import pytest

from mnist_trainer.process import ProcessChange, warnings_as


def overlap(first, second):
    """Enter the second one in a thread of its own, while the first is within, and leave it after the first, if it can.

    Returns what happened in between.
    """
    within, left = threading.Event(), threading.Event()

    def other():
        with second():
            within.set()
            left.wait(60)

    thread = threading.Thread(target=other)
    with first():
        thread.start()
        within.wait(0.2)  # in vain, where they take turns
    left.set()
    thread.join(60)
    assert within.is_set()


def test_the_filters_of_warnings_are_given_back():
    with warnings.catch_warnings():
        before = warnings.filters[:]
        overlap(lambda: warnings_as("error"), lambda: warnings_as("ignore", DeprecationWarning))
        assert warnings.filters == before


def test_a_change_lasts_as_long_as_somebody_is_within():
    common, seen = ProcessChange(), []

    @contextmanager
    def change():
        seen.append("made")
        yield
        seen.append("taken back")

    @contextmanager
    def late():
        with common.made(change):
            yield
            seen.append("late")

    overlap(lambda: common.made(change), late)
    assert seen == ["made", "late", "taken back"]


def test_a_change_that_fails_is_tried_again_by_the_next_one():
    common, tried = ProcessChange(), []

    @contextmanager
    def change():
        tried.append(1)
        if len(tried) == 1:
            raise OSError("not now")
        yield

    with pytest.raises(OSError, match="not now"), common.made(change):
        pass
    with common.made(change):
        assert len(tried) == 2
