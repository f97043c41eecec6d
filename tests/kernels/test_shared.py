import errno
import mmap
import os
import sys
import traceback

import numpy as np
import pytest

from mnist_trainer.kernels.shared import hide_at, replaceable_zeros, shared_zeros, show_at

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from Python 3.12 on
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="no mremap but on Linux")
SIZES = [0, 1, 17, 1024, 1025, 700_000]  # pages have 1024 numbers of float32


def in_another_process(action):
    """Do something in a forked process, and wait for it; tell whether it went well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("size", SIZES)
def test_what_another_process_writes_is_seen_in_shared_vectors_alone(size):
    vector = shared_zeros(size, np.float32)
    assert vector.shape == (size,)
    assert not vector.any()
    own = replaceable_zeros(size, np.float32)
    assert in_another_process(lambda: (vector.fill(3), own.fill(3)))
    assert (vector == 3).all()
    assert not own.any()


def test_a_system_without_memory_says_of_how_much(monkeypatch):
    def none(*args):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(mmap, "mmap", none)
    with pytest.raises(MemoryError, match="12,000 numbers of float64: Cannot allocate memory"):
        shared_zeros(12_000, np.float64)


@only_linux
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_a_vector_shown_at_a_place_is_the_same_memory(size, dtype):
    place, (first, second) = replaceable_zeros(size, dtype), (shared_zeros(size, dtype) for _ in range(2))
    view = place[: size // 2]
    first[...], second[...] = np.arange(size), -np.arange(size)
    for vector in (first, second, first):
        show_at(place, vector)
        np.testing.assert_array_equal(place, vector)
        view += 1
        np.testing.assert_array_equal(vector[: size // 2], view)


@only_linux
def test_each_process_shows_its_own_and_all_see_them():
    size = 5000
    place = replaceable_zeros(size, np.float64)
    vectors = [shared_zeros(size, np.float64) for _ in range(3)]
    show_at(place, vectors[0])
    place.fill(10)

    def another(number):
        show_at(place, vectors[number])
        assert not place.any()
        assert (vectors[0] == 10).all()
        place.fill(number)

    assert all(in_another_process(lambda number=number: another(number)) for number in (1, 2))
    assert [set(vector) for vector in (place, *vectors)] == [{10}, {10}, {1}, {2}]


@only_linux
@pytest.mark.parametrize("size", SIZES)
def test_a_place_has_its_own_pages_again_with_the_numbers_that_it_showed(size):
    place, vector = replaceable_zeros(size, np.float32), shared_zeros(size, np.float32)
    view = place[: size // 2]
    vector[...] = np.arange(size)
    show_at(place, vector)
    hide_at(place)
    np.testing.assert_array_equal(place, vector)
    view.fill(-1)
    assert in_another_process(lambda: place.fill(-2))
    np.testing.assert_array_equal(vector, np.arange(size))
    assert (view == -1).all()
    show_at(place, vector)
    np.testing.assert_array_equal(place, np.arange(size))


@only_linux
def test_what_is_shown_outlives_the_vector_and_is_given_back_with_the_place():
    def mapped():
        with open("/proc/self/statm") as sizes:  # noqa: PTH123
            return int(sizes.read().split()[0])

    size = 1 << 22
    before = mapped()
    place, vector = replaceable_zeros(size, np.float32), shared_zeros(size, np.float32)
    vector.fill(7)
    show_at(place, vector)
    del vector
    assert (place == 7).all()
    del place
    assert mapped() < before + size * 4 // mmap.PAGESIZE


@only_linux
@pytest.mark.parametrize(
    ("make_place", "make_vector"),
    [
        (replaceable_zeros, lambda size, dtype: np.zeros(size, dtype)),  # Linux shows only shared memory twice
        (replaceable_zeros, replaceable_zeros),
        (lambda size, dtype: replaceable_zeros(size, dtype).copy(), shared_zeros),
        (lambda size, dtype: replaceable_zeros(2 * size, dtype)[:size], shared_zeros),
    ],
    ids=["private", "replaceable", "copied place", "part of a place"],
)
def test_what_is_refused_changes_nothing(make_place, make_vector):
    place, vector = make_place(5000, np.float64), make_vector(5000, np.float64)
    place.fill(3)
    with pytest.raises(OSError, match=r"Invalid argument|no pages of their own"):
        show_at(place, vector)
    place += 1
    assert (place == 4).all()
    assert not vector.any()


@only_linux
def test_a_copy_has_no_pages_to_hide():
    with pytest.raises(OSError, match="no pages of their own"):
        hide_at(replaceable_zeros(5000, np.float64).copy())
