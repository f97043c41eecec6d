import numpy as np

from mnist_trainer.training.worker import count_right


def test_correct_counts_rows_whose_first_largest_prediction_is_the_label():
    predictions = np.array([[0, 1, 0], [2, 2, 0], [2, 2, 0], [-3, -2, -1]], np.float32)
    labels = np.array([1, 0, 1, 2])
    assert count_right(predictions, labels) == count_right(np.asfortranarray(predictions), labels) == 3
