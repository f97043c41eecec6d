"""When modes part, by the number of the update."""

from mnist_trainer.analysis.comparison.summary import first_update_where


def test_updates_count_from_one():
    assert first_update_where([0, 0, 5], lambda value: value != 0) == 3
    assert first_update_where([0, 0], lambda value: value != 0) is None
