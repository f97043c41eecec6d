"""Which image is chosen, and how many beside it."""

import numpy as np

from mnist_trainer.analysis.explanation.subject import most_images, most_instructive


def test_the_instructive_image_is_doubtful_and_has_no_number_too_small_to_see():
    logits = np.log([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25], [0.55, 0.4499, 0.0001], [0.01, 0.01, 0.98]])
    assert most_instructive(logits, np.array([0, 1, 1, 0])) == 1


def test_the_jacobians_of_a_large_batch_are_not_all_built():
    assert most_images(10) > 10_000
    assert 8 * 1000**2 * most_images(1000) <= 1 << 26
    assert most_images(100_000) == 1
