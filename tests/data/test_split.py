import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mnist_trainer.data.split import stratified_split
from mnist_trainer.errors import ConfigError

labels_strategy = npst.arrays(np.uint8, st.integers(1, 300), elements=st.integers(0, 4))


@given(labels_strategy, st.data())
def test_the_split_is_exact_disjoint_complete_and_stratified(labels, data):
    size = data.draw(st.integers(0, len(labels) - 1))
    train, validation = stratified_split(labels, size, np.random.default_rng(0), 5)
    assert len(validation) == size
    assert sorted([*train, *validation]) == list(range(len(labels)))
    exact = np.bincount(labels, minlength=5) * size / len(labels)
    assert np.all(np.abs(np.bincount(labels[validation], minlength=5) - exact) < 1)


@pytest.mark.parametrize("size", [-1, 10, 11])
def test_a_size_that_leaves_nothing_to_train_on_names_the_key_and_the_range(size):
    with pytest.raises(ConfigError, match=rf"data.validation_size={size}: 0 to 9 of 10 samples"):
        stratified_split(np.zeros(10, np.uint8), size, np.random.default_rng(0), 2)


def test_the_draw_follows_the_generator():
    labels = np.arange(1000, dtype=np.uint8) % 10
    draws = [stratified_split(labels, 100, np.random.default_rng(seed), 10)[1] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
