import math

import pytest

from mnist_trainer.figures.timing import loss_times


def records(mode, factor, sizes=((1, 10), (128, 10), (8192, 10), (128, 100), (128, 1000))):
    return [
        {
            "mode": mode,
            "batch_size": batch_size,
            "classes": classes,
            "forward_seconds": factor * 1e-6 * math.sqrt(batch_size * classes),
            "backward_seconds": factor * 1e-6 * math.sqrt(batch_size * classes),
        }
        for batch_size, classes in sizes
    ]


def test_times_in_microseconds_and_their_ratio_over_batches_and_classes(tmp_path, drawn):
    loss_times([*records("fused", 1.0), *records("separate", 1.5)], tmp_path / "a.png")
    batches, classes, batch_ratios, class_ratios = drawn[0].axes
    assert list(batches.lines[0].get_xdata()) == [1, 128, 8192]
    assert batches.lines[0].get_ydata()[0] == pytest.approx(2 * math.sqrt(10))
    assert list(classes.lines[1].get_xdata()) == [10, 100, 1000]
    for axes in (batch_ratios, class_ratios):
        assert axes.lines[1].get_ydata() == pytest.approx([1.5] * 3)
        assert [text.get_text() for text in axes.texts] == ["1.50"]
        assert axes.get_ylim()[0] == 0 < 1.5 < axes.get_ylim()[1]
    assert [text.get_text() for text in batches.get_legend().get_texts()] == ["fused", "separate"]
    assert batches.get_xscale() == batches.get_yscale() == "log"


def test_a_mode_that_cannot_run_somewhere_leaves_a_gap(tmp_path, drawn):
    holes = [{**one, "forward_seconds": math.nan} if one["batch_size"] > 1 else one for one in records("posted", 2.0)]
    loss_times([*records("fused", 1.0), *holes], tmp_path / "a.png")
    assert [text.get_text() for text in drawn[0].axes[2].texts] == ["2.00"]
    assert drawn[0].axes[3].texts[:] == []


def test_little_or_nothing_can_be_drawn(tmp_path):
    loss_times([], tmp_path / "a.png")
    loss_times(records("fused", 1.0, sizes=((32, 10),)), tmp_path / "b.png")
    loss_times([{**records("fused", 1.0)[0], "backward_seconds": math.nan}], tmp_path / "c.png")
    assert all((tmp_path / f"{name}.png").stat().st_size > 1000 for name in "abc")
