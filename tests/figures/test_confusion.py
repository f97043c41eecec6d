import numpy as np
import pytest

from mnist_trainer.figures.confusion import confusion_matrix


def matrix(classes):
    return (np.eye(classes, dtype=int) * 990 + np.arange(classes * classes).reshape(classes, classes) % 3).tolist()


@pytest.mark.parametrize(("classes", "has_digits"), [(2, True), (10, True), (20, True), (21, False), (47, False)])
def test_cells_have_digits_where_they_can_be_read(tmp_path, drawn, classes, has_digits):
    confusion_matrix(matrix(classes), [str(i) for i in range(classes)], tmp_path / "a.png", "t")
    assert bool(drawn[0].axes[0].texts) == has_digits


def test_the_colours_are_for_the_mistakes(tmp_path, drawn):
    confusion_matrix([[95, 5, 0], [1, 99, 0], [0, 20, 180]], "abc", tmp_path / "a.png", "t")
    image = drawn[0].axes[0].images[0]
    assert image.get_clim() == (0, 10)  # per cent of the row: 20 of 200
    assert np.ma.getmaskarray(image.get_array()).diagonal().all()
    assert "26 mistakes on 400 images (93.50% right)" in drawn[0].axes[0].get_title()


def test_no_mistakes_and_a_class_without_images(tmp_path):
    confusion_matrix([[3, 0], [0, 0]], ["trousers", "ankle boot"], tmp_path / "a.png", "t")
    confusion_matrix([[0]], ["a"], tmp_path / "b.png", "t")
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.png").exists()
