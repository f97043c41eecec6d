import tracemalloc

import numpy as np
import pytest

from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.errors import ConfigError

COUNT = 103
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 5, 1), np.uint8)
LABELS = np.arange(COUNT, dtype=np.uint8)
INDICES = np.random.default_rng(1).permutation(COUNT)[:90]
SCALING = Scaling(0.01, -0.5)


def copies(batches):
    return [(inputs.copy(), targets.copy()) for inputs, targets in batches]


@pytest.mark.parametrize(("batch_size", "drop_last"), [(1, False), (16, False), (16, True), (45, True), (500, False)])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_iteration_yields_each_sample_once_scaled_with_its_label(batch_size, drop_last, shuffled, dtype):
    rng = np.random.default_rng(2) if shuffled else None
    batches = Batches(IMAGES, LABELS, INDICES, batch_size, dtype, scaling=SCALING, rng=rng, drop_last=drop_last)
    made = copies(batches)
    assert len(made) == len(batches)
    assert sum(len(targets) for _, targets in made) == batches.samples
    assert batches.samples == (90 // batch_size * batch_size if drop_last else 90)
    for inputs, targets in made:
        assert (inputs.dtype, targets.dtype) == (dtype, np.intp)
        # a label is its image's index here
        expected = IMAGES[targets] * 0.01 - 0.5
        np.testing.assert_allclose(inputs, expected, rtol=0, atol=4 * np.finfo(dtype).eps)
    seen = np.concatenate([targets for _, targets in made])
    if shuffled:
        assert len(set(seen)) == len(seen)
        assert set(seen) <= set(INDICES)
        assert not np.array_equal(seen, INDICES[: len(seen)])
    else:
        np.testing.assert_array_equal(seen, INDICES[: len(seen)])


def order(batches):
    return np.concatenate([targets.copy() for _, targets in batches])


def test_every_iteration_has_its_own_order_which_the_generator_s_state_alone_decides():
    batches = Batches(IMAGES, LABELS, INDICES, 8, np.float32, scaling=SCALING, rng=np.random.default_rng(3))
    first = order(batches)
    rng = np.random.default_rng(3)
    other = Batches(IMAGES, LABELS, INDICES, 8, np.float32, scaling=SCALING, rng=rng)
    order(other)
    state = rng.bit_generator.state
    second = order(other)
    assert not np.array_equal(first, second)
    rng.bit_generator.state = state
    np.testing.assert_array_equal(order(other), second)
    np.testing.assert_array_equal(order(batches), second)  # a run that was resumed, or wasn't


def test_an_epoch_allocates_no_batch():
    images = np.zeros((2000, 28, 28, 1), np.uint8)
    rng = np.random.default_rng(0)
    batches = Batches(images, np.zeros(2000, np.uint8), np.arange(1900), 128, np.float32, scaling=SCALING, rng=rng)
    for _ in batches:
        pass
    tracemalloc.start()
    try:
        for _ in batches:
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000  # views and an iterator; a batch of bytes alone has 100,352


def test_an_abandoned_iteration_leaves_the_next_one_whole():
    batches = Batches(IMAGES, LABELS, INDICES, 8, np.float32, scaling=SCALING, rng=np.random.default_rng(3))
    for _ in batches:
        break
    assert sorted(order(batches)) == sorted(INDICES)


def test_no_samples_make_no_batches():
    empty = Batches(IMAGES, LABELS, np.array([], np.intp), 8, np.float32, scaling=SCALING)
    assert (len(empty), empty.samples, list(empty)) == (0, 0, [])


@pytest.mark.parametrize(("batch_size", "drop_last"), [(0, False), (-3, False), (91, True)])
def test_a_batch_size_that_makes_no_batch_is_refused(batch_size, drop_last):
    with pytest.raises(ConfigError, match=f"batch_size={batch_size}: "):
        Batches(IMAGES, LABELS, INDICES, batch_size, np.float32, scaling=SCALING, drop_last=drop_last)


@pytest.mark.parametrize("index", [-1, COUNT])
def test_an_index_out_of_range_is_not_clipped_silently(index):
    with pytest.raises(IndexError):
        Batches(IMAGES, LABELS, np.array([0, index]), 2, np.float32, scaling=SCALING)
