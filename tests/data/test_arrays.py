"""Dataset.from_arrays: what notebooks have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.data.dataset import Dataset
from mnist_trainer.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 4
X_TEST, Y_TEST = RNG.integers(0, 256, (12, 8, 8), np.uint8), np.arange(12) % 4
MADE = Dataset.from_arrays(X, Y, X_TEST, Y_TEST)


def refused(*args, error=DataError, **kwargs):
    with pytest.raises(error) as info:
        Dataset.from_arrays(*args, **kwargs)
    return str(info.value)


def test_arrays_become_a_data_set():
    np.testing.assert_array_equal(MADE.images[..., 0], X)
    np.testing.assert_array_equal(MADE.test_labels, Y_TEST)
    assert (MADE.name, MADE.classes, MADE.image_shape, MADE.default_validation_size) == ("arrays", 4, (8, 8, 1), 5)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[..., np.newaxis],
        lambda x: x.reshape(len(x), -1),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.float64),
        lambda x: x / 255,
        lambda x: (x / 255).astype(np.float32),
        lambda x: x.tolist(),
        lambda x: np.asfortranarray(x),
    ],
    ids=["channel", "flat", "int64", "float64", "by 255", "by 255, float32", "lists", "by column"],
)
def test_the_same_images_in_another_way_are_the_same_data_set(change):
    assert Dataset.from_arrays(change(X), Y, change(X_TEST), Y_TEST).digest == MADE.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.tolist(),
        lambda y: y[:, np.newaxis],
        lambda y: y.astype(np.float32),
        lambda y: y.astype(str),
        lambda y: y.astype(str).astype(object),
    ],
    ids=["list", "a column", "floats", "numerals", "objects"],
)
def test_the_same_labels_in_another_way_are_the_same_data_set(change):
    assert Dataset.from_arrays(X, change(Y), X_TEST, change(Y_TEST)).digest == MADE.digest


def test_words_are_numbered_by_their_order_and_name_the_classes():
    words = np.array(["dog", "cat", "eel", "bat"])
    made = Dataset.from_arrays(X, words[Y], X_TEST, words[Y_TEST], name="animals")
    assert made.class_names == ("bat", "cat", "dog", "eel")
    np.testing.assert_array_equal(np.array(made.class_names)[made.labels], words[Y])
    assert Dataset.from_arrays(X, Y, class_names=["a", "b", "c", "d", "e"]).classes == 5


@given(st.integers(1, 59), st.integers(0, 5))
def test_without_a_test_part_one_is_split_off_by_its_seed(size, seed):
    made = Dataset.from_arrays(X, Y, test_size=size, test_seed=seed)
    assert made.digest == Dataset.from_arrays(X, Y, test_size=size, test_seed=seed).digest
    assert len(made.test_labels) == size
    rows = np.concatenate([made.images, made.test_images]).reshape(60, -1)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, X.reshape(60, -1)))
    assert np.ptp(np.bincount(made.test_labels, minlength=4)) <= 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((X, Y[:-1]), "y: 59 labels, but x holds 60 images"),
        ((X, Y, X_TEST), "x_test and y_test: both, or none"),
        ((X, Y, X_TEST[:, :7], Y_TEST), "x_test: images of 7 x 8 x 1, but x holds images of 8 x 8 x 1"),
        ((X - 128.0, Y), "x: holds values from -128 to 127; whole numbers from 0 to 255 fit"),
        ((X * 1.01, Y), "x: holds "),
        ((RNG.random((60, 8, 8)), Y), "x: holds fractions"),
        ((X * np.nan, Y), "x: holds a value that is no number"),
        ((X[:, :, :, None, None], Y), "x: images of shape (60, 8, 8, 1, 1)"),
        ((X.reshape(60, -1)[:, :60], Y), "x: images of shape (60, 60)"),
        ((X[:0], Y[:0]), "x: holds nothing"),
        (("images", Y), "x: no array of images"),
        (([[1], [2, 3]], Y), "x: no array can be made of it"),
        ((X, np.eye(4)[Y]), "y: labels of shape (60, 4): (count) fits; of one-hot rows, take argmax(axis=1)"),
        ((X, Y - 1), "labels: holds values from -1 to 2"),
        ((X, Y + 254), "labels: holds values from 254 to 257"),
        ((X, Y + 0.5), "labels: holds fractions"),
        ((X.astype(str), Y), "x: holds <U3 elements"),
        ((None, None), "x and y: images and their labels, both are needed"),
        ((np.ma.masked_less(X, 9), Y), "x: "),
        ((X, np.ma.masked_equal(Y, 3)), "y: 15 of its values are masked: fill them"),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(arguments, problem):
    assert problem in refused(*arguments)


def test_sizes_of_the_test_that_can_not_be():
    assert "data.test_size=60: 0 to 59 of 60" in refused(X, Y, test_size=60, error=ConfigError)
    assert "there is a test part, x_test" in refused(X, Y, X_TEST, Y_TEST, test_size=3, error=ConfigError)
    assert "class_names: 2 for labels from 0 to 3" in refused(X, Y, class_names="ab")
