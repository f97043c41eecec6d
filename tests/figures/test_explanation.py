import dataclasses

import matplotlib.image
import numpy as np
import pytest

from mnist_trainer.figures.explanation import ExplanationNumbers, explanation_picture, heat_cell


def numbers(logits, label):
    z = np.asarray(logits, np.float64)
    p = np.exp(z) / np.exp(z).sum()
    t = np.eye(len(z))[label]
    jacobian = np.diag(p) - np.outer(p, p)
    posted, diagonal = (p - t) * p * (1 - p), -t * (1 - p)
    return ExplanationNumbers(
        image=np.zeros((28, 28), np.uint8),
        title="mnist, test image 3",
        names=[str(i) for i in range(len(z))],
        true=label,
        predicted=int(z.argmax()),
        label=str(label),
        taken_for=str(z.argmax()),
        logits=z,
        p=p,
        dp=-t / p,
        jacobian=jacobian,
        product=jacobian @ (-t / p),
        p_minus_t=p - t,
        posted=posted,
        diagonal=diagonal,
        visible=5e-5,
    )


def titles(figure):
    return [axes.get_title() for axes in figure.get_axes()]


def test_what_is_equal_and_what_is_not_stands_in_words(tmp_path, drawn):
    explanation_picture(numbers([0.3, 2, 1.8, -1], 2), tmp_path / "a.png")
    product, posted, diagonal = titles(drawn[0])[-3:]
    assert "equal to p − t, in grey, to " in product
    assert "≠ p − t" in posted
    assert "≠ p − t" in diagonal
    assert "label 2, taken for 1" in titles(drawn[0])[0]
    assert "p − t is the derivative" in drawn[0].get_suptitle()


def test_a_product_that_is_off_is_not_called_equal(tmp_path, drawn):
    n = numbers([0.3, 2, 1.8, -1], 2)
    explanation_picture(dataclasses.replace(n, product=n.product + 0.01), tmp_path / "a.png")
    assert "≠ p − t" in titles(drawn[0])[-3]
    assert "p − t is the derivative" not in drawn[0].get_suptitle()


def test_the_jacobian_has_all_its_numbers(tmp_path, drawn):
    n = numbers(np.linspace(0, 3, 10), 4)
    explanation_picture(n, tmp_path / "a.png")
    (matrix,) = (axes for axes in drawn[0].get_axes() if len(axes.texts) == 100)
    assert [text.get_text() for text in matrix.texts] == [heat_cell(value, 5e-5) for value in n.jacobian.flat]
    assert "≈0: under 0.00005 in size" in matrix.get_xlabel()


def test_a_slide(tmp_path):
    explanation_picture(numbers([0.3, 2], 0), tmp_path / "a.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "a.png").shape
    assert width / height == pytest.approx(16 / 9, rel=0.01)


def test_a_network_that_is_sure(tmp_path):
    explanation_picture(numbers([0, 30.0, 2], 1), tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.2345, ".234"), (-0.05, "−.050"), (-2.8686, "−2.869"), (-2e-5, "≈0"), (-2.6e-4, "−3e-4")],
)
def test_cells(value, text):
    assert heat_cell(value, 5e-5) == text
