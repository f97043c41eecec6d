import numpy as np
import pytest

from mnist_trainer.training.streams import Stream, random_stream

NAMES = Stream.__args__


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_depends_on_its_seed_alone(name):
    first = random_stream(3, name).random(5)
    np.testing.assert_array_equal(first, random_stream(3, name).random(5))
    assert not np.array_equal(first, random_stream(4, name).random(5))


def test_the_streams_of_a_seed_differ():
    draws = {tuple(random_stream(0, name).random(3)) for name in NAMES}
    assert len(draws) == len(NAMES)


def test_the_streams_are_those_that_runs_of_earlier_versions_had():
    made = [int(random_stream(0, name).integers(10**6)) for name in ("initialization", "shuffling", "splitting")]
    assert made == [np.random.default_rng(np.random.SeedSequence(0, spawn_key=(k,))).integers(10**6) for k in range(3)]
