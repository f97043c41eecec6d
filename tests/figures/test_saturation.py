import itertools
from dataclasses import asdict

import numpy as np
import pytest

from mnist_trainer.analysis.studies.saturation import study_saturation
from mnist_trainer.config import LossConfig, SoftmaxCrossEntropyConfig
from mnist_trainer.figures.saturation import parting_of_ways, saturation
from mnist_trainer.figures.style import mode_color

FUSED, SEPARATE = (SoftmaxCrossEntropyConfig(name, 0.0) for name in ("fused", "separate"))


@pytest.fixture(scope="module")
def record():
    return asdict(study_saturation([FUSED, SEPARATE]))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def overlap(axes):
    """Whether two of the labels at the curves' ends do."""
    boxes = sorted((t.get_window_extent() for t in axes.texts if ":" in t.get_text()), key=lambda box: box.y0)
    return any(below.y1 > above.y0 for below, above in itertools.pairwise(boxes))


def test_each_curve_is_labelled_with_what_becomes_of_the_mode(tmp_path, drawn, record):
    saturation(record, tmp_path / "a.png")
    loss, gradient, right_loss, right_gradient = drawn[0].axes
    assert {"textbook: ∞ from 104", "separate: stuck at 69.1", "clipped: stuck at 16.1"} <= set(texts(loss))
    assert "fused: only rounding" in texts(loss)
    assert {"textbook: nan from 88.7", "separate: only rounding", "clipped: 0 from 16.1"} <= set(texts(gradient))
    assert "fused: 0 from 18.8" in texts(right_loss)
    rest = {"clipped: true class 0 from 18.8", "fused: true class 0 from 18.8"}  # the other entries are not 0
    assert rest <= set(texts(right_gradient))
    assert "Σe^z rounds to 1" in texts(right_gradient)
    assert not any(overlap(axes) for axes in drawn[0].axes)
    assert {axes.get_yscale() for axes in drawn[0].axes} == {axes.get_xscale() for axes in drawn[0].axes} == {"log"}


def markers(axes, marker):
    return {(round(line.get_xdata()[0]), line.get_color()) for line in axes.lines if line.get_marker() == marker}


def test_infinity_leaves_through_the_top_and_nan_ends_where_the_last_number_was(tmp_path, drawn, record):
    saturation(record, tmp_path / "a.png")
    loss, gradient, *_ = drawn[0].axes
    textbook = [line for line in loss.lines if len(line.get_xdata()) > 9][3]
    where, errors = np.asarray(textbook.get_xdata()), np.asarray(textbook.get_ydata())
    assert (errors[where > 104.5] == loss.get_ylim()[1]).all()
    assert markers(loss, "^") == {(104, textbook.get_color()), (104, mode_color(4))}
    assert markers(loss, "X") == set()
    textbook = [line for line in gradient.lines if len(line.get_xdata()) > 9][3]
    where, errors = np.asarray(textbook.get_xdata()), np.asarray(textbook.get_ydata())
    assert np.isnan(errors[where > 88.8]).all()
    assert (errors[where < 88.7] < 1e-6).all()
    assert markers(gradient, "X") == {(89, textbook.get_color())}


def test_the_values_part_where_the_modes_do_and_a_right_image_has_nan(tmp_path, drawn, record):
    parting_of_ways(record, tmp_path / "a.png")
    loss, gradient, right = drawn[0].axes
    for axes in (loss, gradient):
        assert {"clip at 1e-7", "floor at 1e-30", "exp is 0 in float32"} <= set(texts(axes))
    last = {line.get_ydata()[-1] for line in loss.lines}
    assert any(value == pytest.approx(69.08, rel=1e-3) for value in last)
    assert any(value == pytest.approx(16.12, rel=1e-3) for value in last)
    assert "homework (rows): ∞ from 104" in texts(loss)
    assert {"homework (rows): only rounding", "clipped: 0 from 16.1"} <= set(texts(gradient))
    assert "homework (rows): nan from 104" in texts(right)
    assert markers(right, "X") == {(104, mode_color(4))}
    assert right.get_yticklabels()[0].get_text() == "0, or\n< 1e-09"  # where a loss of 0 is drawn
    assert all(axes.get_xlabel() and axes.get_ylabel().startswith("mean ") for axes in drawn[0].axes)
    assert [axes.get_title().partition(":")[0] for axes in drawn[0].axes] == ["Wrong images"] * 2 + ["Right images"]


def test_a_threshold_is_marked_only_where_something_happens(tmp_path, drawn, record):
    fused = {
        "scales": record["scales"],
        "curves": [one for one in record["curves"] if one["mode"] == "fused"],
        "events": [one for one in record["events"] if one["mode"] == "fused"],
    }
    saturation(fused, tmp_path / "a.png")
    assert texts(drawn[0].axes[0]) == ["fused: only rounding"]


@pytest.mark.long
def test_modes_that_are_wrong_from_the_start_and_many_of_them(tmp_path, drawn):
    names = ("posted_answer", "double_softmax", "sum_for_mean")
    record = asdict(study_saturation([FUSED, SEPARATE, *map(LossConfig, names)]))
    saturation(record, tmp_path / "a.png")
    parting_of_ways(record, tmp_path / "b.png")
    assert "double_softmax: another loss" in texts(drawn[0].axes[0])
    assert "posted_answer: another gradient" in texts(drawn[0].axes[1])
    assert not any(overlap(axes) for figure in drawn for axes in figure.axes)
