"""What trains silently, and shouldn't, is told; what is sound is not."""

import numpy as np
import pytest

from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.loading import load
from mnist_trainer.data.remarks import remarks

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (60, 8, 8), np.uint8), np.arange(60) % 4
X_TEST, Y_TEST = RNG.integers(0, 256, (12, 8, 8), np.uint8), np.arange(12) % 4


def said(*arrays, **others):
    return remarks(Dataset.from_arrays(*arrays, **others))


def test_sound_data_go_without_a_remark():
    assert said(X, Y, X_TEST, Y_TEST) == []
    assert said(X, Y) == []
    assert remarks(load("digits")) == []


@pytest.mark.parametrize(
    ("arrays", "wanted"),
    [
        ((X, Y + 1, X_TEST, Y_TEST + 1), "labels look 1-based: they go from 1 to 4, and class 0 has no sample"),
        ((X, Y + 2, X_TEST, Y_TEST + 2), "classes 0, 1 are without a training sample, of 6 classes"),
        ((X, np.where(Y == 2, 3, Y), X_TEST, Y_TEST), "class 2 is tested, with 3 images, but never trained"),
        ((X, Y, X_TEST, Y_TEST * 0 + 5), "classes 4, 5 are without a training sample, of 6 classes"),
        ((X, Y * 0 + 1, X_TEST, Y_TEST * 0 + 1), "all 60 training labels are '1'"),
        ((X * 0 + 7, Y, X_TEST, Y_TEST), "every pixel of every training image is 7"),
        ((X // 128, Y, X_TEST, Y_TEST), "no pixel is above 1, and 255 is white"),
        ((X, Y, X, Y), "the test images are the training images"),
        ((X[:, np.newaxis], Y, X_TEST[:, np.newaxis], Y_TEST), "images of 1 x 8 pixels with 8 channels look as if"),
        ((X.reshape(60, 4, 4, 4).repeat(3, 3), Y), "4 x 4 pixels with 12 channels look as if their channels came"),
        ((X[..., np.newaxis].repeat(9, 3), Y), "images of 8 x 8 pixels have 9 channels, more than any picture"),
    ],
)
def test_what_was_seen_is_told(arrays, wanted):
    assert any(wanted in sentence for sentence in said(*arrays)), said(*arrays)


def test_the_command_warns(command, tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=X, y_train=Y + 1, x_test=X_TEST, y_test=Y_TEST + 1)
    done = command("data=idx", f"data.root={tmp_path}/mine.npz", "tracking=off", "model.hidden=[4]", "epochs=1")
    assert done.code == 0
    assert "labels look 1-based: they go from 1 to 4" in done.output
