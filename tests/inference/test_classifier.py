"""A classifier's answers, whatever form the images have; and what is no image, told in words."""

import threading

import numpy as np
import pytest

from mnist_trainer.errors import DataError
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.model_file import Description
from mnist_trainer.inference.scores import BINS, scores_of


def classifier_for(shape, classes=3, **values):
    layers = [{"kind": "flatten"}, {"kind": "linear", "units": classes}]
    about = Description(
        layers=layers,
        outputs="logits",
        dtype="float32",
        image_shape=list(shape),
        scale=1 / 255,
        shift=-0.5,
        class_names=[*"abcdefghij"][:classes],
        **values,
    )
    rng = np.random.default_rng(0)
    size = int(np.prod(shape))
    arrays = {"1.weights": rng.standard_normal((size, classes)), "1.bias": rng.standard_normal(classes)}
    return Classifier(about, {name: array.astype(np.float32) for name, array in arrays.items()}, "here")


@pytest.fixture(scope="module")
def classifier():
    return classifier_for((4, 5, 1))


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (7, 4, 5), np.uint8)


def test_all_forms_of_the_same_images_get_the_same_answers(classifier, images):
    logits = classifier.logits(images)
    assert logits.shape == (7, 3)
    np.testing.assert_array_equal(classifier.logits(images[..., np.newaxis]), logits)
    np.testing.assert_array_equal(classifier.logits(list(images)), logits)
    for one in (images[2], images[2, ..., np.newaxis], images[2:3], images.copy("F")[2]):
        np.testing.assert_allclose(classifier.logits(one), logits[2:3], rtol=1e-5)
    for dtype in (np.float32, np.float64):
        np.testing.assert_allclose(classifier.logits((images / 255).astype(dtype)), logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(classifier.predict(images), logits.argmax(axis=1))
    probabilities = classifier.probabilities(images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.log(probabilities), logits - np.log(np.exp(logits).sum(1, keepdims=True)), atol=1e-5)


def test_more_images_than_a_batch_and_none(classifier):
    many = np.random.default_rng(2).integers(0, 256, (600, 4, 5), np.uint8)
    np.testing.assert_allclose(classifier.logits(many)[300:301], classifier.logits(many[300]), rtol=1e-5)
    assert classifier.predict(many[:0]).shape == (0,)
    assert classifier.probabilities(many[:0]).shape == (0, 3)


def test_images_of_several_channels_have_their_axis():
    classifier = classifier_for((4, 5, 3))
    images = np.zeros((2, 4, 5, 3), np.uint8)
    assert classifier.predict(images).shape == (2,)
    assert classifier.predict(images[0]).shape == (1,)
    with pytest.raises(DataError, match=r"images of shape \(2, 4, 5\): must be \(N, 4, 5, 3\)"):
        classifier.predict(images[..., 0])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((2, 20), np.uint8), r"images of shape \(2, 20\).*images.reshape\(-1, 4, 5\) may be meant"),
        (np.zeros((2, 5, 4), np.uint8), r"must be \(N, 4, 5\) or \(N, 4, 5, 1\), or one without the N"),
        (np.zeros((2, 4, 5, 3), np.uint8), "images of shape"),
        (np.uint8(3), r"images of shape \(\)"),
        (np.zeros((4, 5), np.int64), "images of type int64: must be bytes"),
        (np.zeros((4, 5), bool), "images of type bool"),
        (np.zeros((4, 5), complex), "images of type complex128"),
        (np.full((4, 5), 200.0), "from 200 to 200: must be from 0 to 1: images / 255 may be meant"),
        (np.full((4, 5), -0.5), "from -0.5 to -0.5: must be from 0 to 1$"),
        (np.full((4, 5), np.nan), "from nan to nan"),
        (np.full((4, 5), np.inf), "from inf to inf"),
        ([[1.0], [1.0, 0.5]], "images make no array"),
        ("zero.png", "images of type <U8"),
        (None, "images make no array of numbers"),
        ({"a": 1}, "images make no array of numbers: dict"),
    ],
)
def test_what_is_no_image_is_told(classifier, images, said):
    with pytest.raises(DataError, match=said):
        classifier.predict(images)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1], r"labels of shape \(2,\) for 7 images: must be \(7,\)"),
        ([0] * 6 + [3], "labels hold 3: the model has the classes 0 to 2"),
        ([0] * 6 + [-1], "labels hold -1"),
        ([0.0] * 7, "labels of type float64: must be whole numbers"),
        (["a"] * 7, "labels of type"),
        (np.eye(7), "labels of shape"),
    ],
)
def test_what_is_no_label_is_told(classifier, images, labels, said):
    with pytest.raises(DataError, match=said):
        classifier.evaluate(images, labels)
    with pytest.raises(DataError, match="no images"):
        classifier.evaluate(images[:0], [])


def test_threads_do_not_get_each_other_s_answers(classifier):
    images = np.random.default_rng(3).integers(0, 256, (300, 4, 5), np.uint8)
    expected, wrong = classifier.logits(images), []

    def ask():
        for _ in range(20):
            if not np.array_equal(classifier.logits(images), expected):
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_scores_are_what_their_names_say():
    rng = np.random.default_rng(4)
    logits, labels = 2 * rng.standard_normal((500, 4)).astype(np.float32), rng.integers(0, 3, 500)
    scores, predicted = scores_of(logits, labels), logits.argmax(axis=1)
    p = np.exp(logits.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    assert scores.loss == pytest.approx(-np.log(p[np.arange(500), labels]).mean(), rel=1e-9)
    assert scores.accuracy == (predicted == labels).mean()
    for k in range(4):
        hits = ((predicted == k) & (labels == k)).sum()
        assert scores.precision[k] == hits / (predicted == k).sum()
        recall = hits / (labels == k).sum() if k < 3 else np.nan
        np.testing.assert_equal(scores.recall[k], recall)
        if k < 3:
            both = scores.precision[k], recall
            assert scores.f1[k] == pytest.approx(2 * both[0] * both[1] / (both[0] + both[1]))
        assert scores.confusion[k].sum() == (labels == k).sum()
    counts = scores.calibration.counts
    assert counts.sum() == 500
    confidence, right = p.max(axis=1), predicted == labels
    error = 0.0
    for step in range(BINS):
        inside = (confidence >= step / BINS) & (confidence < (step + 1) / BINS)
        assert counts[step] == inside.sum()
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert scores.calibration.error == pytest.approx(error)


def test_probabilities_are_taken_as_they_are_where_layers_end_in_them():
    about = Description(
        layers=[{"kind": "flatten"}, {"kind": "softmax"}],
        outputs="probabilities",
        dtype="float64",
        image_shape=[1, 3, 1],
        scale=1.0,
        shift=0.0,
        class_names=["a", "b", "c"],
    )
    pixels = np.array([[[0, 1, 2]], [[0, 200, 0]]], np.uint8)
    p = np.exp(pixels[:, 0].astype(float) - pixels[:, 0].max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Classifier(about, {}, "here").probabilities(pixels), p, atol=1e-12)
