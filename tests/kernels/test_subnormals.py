import threading
from contextlib import ExitStack

import numpy as np
import pytest

from mnist_trainer.kernels.subnormals import SUPPORTED, count_subnormals, subnormals_as_zeros

SMALL = {np.float32: 1e-20, np.float64: 1e-160}


def test_subnormal_numbers_are_counted_and_no_others(dtype):
    info = np.finfo(dtype)
    others = [1, info.tiny, -info.tiny, 0, -0.0, np.inf, -np.inf, np.nan, info.max]
    subnormal = [info.tiny / 2, -info.tiny / 2, info.smallest_subnormal, info.tiny - info.smallest_subnormal]
    matrix = np.array([others[:4] + subnormal, others[5:] + others[1:5]], dtype)
    assert count_subnormals(matrix) == 4
    assert count_subnormals(matrix[:, ::3]) == 1
    with subnormals_as_zeros():
        assert count_subnormals(matrix) == 4


@pytest.mark.skipif(not SUPPORTED, reason="this system's processor computes with subnormal numbers")
def test_arithmetic_reads_and_writes_zeros_for_them_within_the_block_alone(dtype):
    small = np.full(33, SMALL[dtype], dtype)
    squares = small * small
    assert count_subnormals(squares) == 33
    with subnormals_as_zeros():
        assert not (small * small).any()
        assert not (squares * np.float32(2)).any()
        with subnormals_as_zeros():
            assert np.dot(small, small) == 0
        assert not (small * small).any()
    np.testing.assert_array_equal(small * small, squares)
    with pytest.raises(ZeroDivisionError), subnormals_as_zeros():
        raise ZeroDivisionError
    np.testing.assert_array_equal(small * small, squares)


@pytest.mark.skipif(not SUPPORTED, reason="this system's processor computes with subnormal numbers")
def test_blocks_may_be_left_in_the_order_in_which_they_were_entered():
    small, first, second = np.full(33, 1e-20, np.float32), ExitStack(), ExitStack()
    first.enter_context(subnormals_as_zeros())
    second.enter_context(subnormals_as_zeros())
    first.close()
    assert not (small * small).any()
    second.close()
    assert count_subnormals(small * small) == 33


@pytest.mark.skipif(not SUPPORTED, reason="this system's processor computes with subnormal numbers")
def test_other_threads_compute_as_before():
    small, found = np.full(33, 1e-20, np.float32), []
    began, done = threading.Event(), threading.Event()

    def square():
        began.wait()
        found.append(count_subnormals(small * small))
        done.set()

    thread = threading.Thread(target=square)
    thread.start()
    with subnormals_as_zeros():
        began.set()
        done.wait()
    thread.join()
    assert found == [33]


def test_a_thread_that_ends_anothers_block_computes_as_before():
    def block():
        with subnormals_as_zeros():
            yield

    entered, seen = block(), []

    def end():
        entered.close()
        seen.append(np.float32(1e-38) * np.float32(0.01) > 0)

    for target in (lambda: next(entered), end):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert seen == [True]
