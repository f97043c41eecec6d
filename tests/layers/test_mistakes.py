"""The wrong softmaxes: right forward, the posted backward, and what `check_gradients` says of them."""

import numpy as np
import pytest

from mnist_trainer.api import check_gradients
from mnist_trainer.errors import MistakeError
from mnist_trainer.layers.mistakes import BatchIdentitySoftmax, DiagonalSoftmax
from mnist_trainer.layers.softmax import Softmax

RNG = np.random.default_rng(0)


def forward_and_backward(layer, z, dp):
    layer.build(z.shape[1:], len(z), z.dtype)
    return layer.forward(z, training=True).copy(), layer.backward(dp.copy())


@pytest.mark.parametrize("cls", [DiagonalSoftmax, BatchIdentitySoftmax])
def test_forward_is_the_right_softmax_and_backward_is_not(cls):
    z, dp = RNG.standard_normal((6, 6)), RNG.standard_normal((6, 6))
    p, wrong = forward_and_backward(cls(), z, dp)
    expected, right = forward_and_backward(Softmax(), z, dp)
    np.testing.assert_allclose(p, expected, rtol=1e-14)
    assert np.linalg.norm(wrong - right) > 0.1 * np.linalg.norm(right)


def test_the_diagonal_is_that_of_the_jacobian():
    z = RNG.standard_normal((1, 5))
    for i in range(5):
        p, wrong = forward_and_backward(DiagonalSoftmax(), z, np.eye(5)[[i]])
        jacobian = np.diag(p[0]) - np.outer(p[0], p[0])
        np.testing.assert_allclose(wrong[0], np.diag(np.diag(jacobian))[i], rtol=1e-12)


def test_the_identity_of_the_batch_s_size_is_the_diagonal_for_one_image():
    z, dp = RNG.standard_normal((1, 5)), RNG.standard_normal((1, 5))
    np.testing.assert_array_equal(
        forward_and_backward(BatchIdentitySoftmax(), z, dp)[1], forward_and_backward(DiagonalSoftmax(), z, dp)[1]
    )


@pytest.mark.parametrize("n", [2, 4, 6, 128])
def test_the_identity_of_the_batch_s_size_fits_no_other_batch_and_says_why(n):
    with pytest.raises(MistakeError, match=rf"can't run on {n} images: np.eye\({n}\).*With batch_size=5 it runs"):
        forward_and_backward(BatchIdentitySoftmax(), np.zeros((n, 5)), np.ones((n, 5)))


@pytest.mark.parametrize(
    ("layer", "classes", "words"),
    [
        (DiagonalSoftmax(), 10, "the off-diagonal terms −p_i p_j are missing"),
        (BatchIdentitySoftmax(), 5, "the identity has the size of the batch where the number of classes belongs"),
        (BatchIdentitySoftmax(), 10, "can't run on 5 images"),
    ],
)
def test_the_gradient_check_names_them(layer, classes, words):
    report = check_gradients(layer, in_shape=(classes,))
    assert not report.exact
    assert any(words in fault for fault in report.faults)
