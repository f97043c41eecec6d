"""Which image is chosen, and how many beside it."""

import numpy as np
import pytest

from mnist_trainer.analysis.explanation.subject import most_instructive_image, most_jacobians, typeable, why_no_lesson


def test_the_instructive_image_is_doubtful_and_has_no_number_too_small_to_see():
    logits = np.log([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25], [0.55, 0.4499, 0.0001], [0.01, 0.01, 0.98]])
    assert most_instructive_image(logits, np.array([0, 1, 1, 0])) == 1


@pytest.mark.parametrize(
    ("p", "labels", "problem"),
    [
        ([0.35, 0.47, 0.18], [0, 1, 1, 2], None),
        ([0.35, 0.45, 0.2], [0, 0, 1, 2], "gets 25.0% of the test images right; always to say the most frequent"),
        ([0.3, 0.4, 0.3], [0, 1, 1, 2], "alike: of the best image, its true class has p = 0.30, the largest other one"),
        ([0.001, 0.998, 0.001], [0, 1, 1, 2], "too sure"),
    ],
)
def test_a_network_that_shows_nothing_is_told_by_its_numbers(p, labels, problem):
    logits = np.log([p, [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    if problem and "gets" in problem:
        logits = np.log([p] * 4)
    said = why_no_lesson(logits, np.array(labels), 0)
    assert said is None if problem is None else problem in said


def test_logits_can_be_typed():
    logits = typeable(np.array([[0.12345, -1234567.891, 99.99951, 1234.5678]]))
    assert logits.tolist() == [[0.123, -1.23457e6, 100.0, 1234.57]]


def test_the_jacobians_of_a_large_batch_are_not_all_built():
    assert most_jacobians(10) > 10_000
    assert 8 * 1000**2 * most_jacobians(1000) <= 1 << 26
    assert most_jacobians(100_000) == 1
