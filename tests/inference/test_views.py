"""Test-time augmentation: which views there are, and that their answers are averaged in probability."""

import numpy as np
import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.inference.views import Views
from mnist_trainer.kernels.arrays import Array


class Lookup:
    """A model that says what it saw: the probabilities of a class for each pixel."""

    image_shape = (5, 5, 1)
    class_names = tuple(map(str, range(25)))

    class description:  # noqa: N801
        dtype = "float64"

    def probabilities(self, images) -> Array:
        flat = images.reshape(len(images), -1).astype(float)
        return flat / flat.sum(axis=1, keepdims=True)


def dots(*places):
    """Images with one bright pixel."""
    images = np.zeros((len(places), 5, 5, 1), np.uint8)
    for image, place in zip(images, places, strict=True):
        image[place] = 200
    return images


def test_an_image_is_seen_where_it_is_and_to_all_four_sides():
    found = Views(shift=0.2, rotation=0.0).probabilities(Lookup(), dots((2, 2), (1, 3)))
    expected = np.zeros((2, 5, 5))
    for image, (row, column) in enumerate([(2, 2), (1, 3)]):
        for down, right in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)):
            expected[image, row + down, column + right] = 0.2
    np.testing.assert_allclose(found.reshape(2, 5, 5), expected, rtol=0, atol=1e-12)


def test_and_turned_to_both_sides():
    found = Views(shift=0.0, rotation=90.0).probabilities(Lookup(), dots((0, 2))).reshape(5, 5)
    assert {(0, 2), (2, 0), (2, 4)} == set(zip(*map(list, np.nonzero(found)), strict=True))
    np.testing.assert_allclose(found[found > 0], 1 / 3, rtol=1e-12)


@pytest.mark.parametrize(
    ("shift", "rotation", "count"), [(0.04, 5.0, 15), (0.0, 5.0, 3), (0.04, 0.0, 5), (0.0, 0.0, 1)]
)
def test_no_view_is_looked_at_twice(shift, rotation, count):
    maps = Views(shift, rotation).maps
    assert len(maps) == len(set(maps)) == count
    assert maps[0] == (0, 0, 0)


def test_many_images_are_seen_as_one_is():
    images = np.random.default_rng(0).integers(1, 256, (600, 5, 5, 1), np.uint8)
    views = Views(0.1, 10.0)
    whole = views.probabilities(Lookup(), images)
    for index in (0, 255, 256, 599):
        np.testing.assert_array_equal(whole[index], views.probabilities(Lookup(), images[index : index + 1])[0])
    scores = views.scores(Lookup(), images, whole.argmax(axis=1).astype(np.uint8))
    assert scores.accuracy == 1
    np.testing.assert_allclose(scores.loss, -np.log(whole.max(axis=1)).mean())


@pytest.mark.parametrize("wrong", [{"shift": -0.1}, {"shift": 2.0}, {"rotation": 181.0}])
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Views(**{"shift": 0.0, "rotation": 0.0, **wrong})
