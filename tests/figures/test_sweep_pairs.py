import pytest

from mnist_trainer.figures.sweep_pairs import paired_differences


def numbers(values, low=None, high=None):
    return {"values": values, "mean": sum(values) / len(values) if values else None, "low": low, "high": high}


def comparison(accuracy, loss, mode="separate", setting=""):
    seeds = list(range(len(accuracy["values"])))
    parts = {"mode": mode, "reference": "fused", "setting": setting, "seeds": seeds}
    return {**parts, "test_accuracy": accuracy, "test_loss": loss}


THREE = comparison(numbers([0.001, 0.002, -0.0015], -0.004, 0.005), numbers([2e-8, 1e-8, 3e-8], 1e-9, 4e-8))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_every_pair_the_mean_and_its_interval_are_on_the_picture(tmp_path, drawn):
    paired_differences([THREE], tmp_path / "a.png")
    accuracy, loss = drawn[0].axes
    assert list(accuracy.lines[1].get_xdata()) == pytest.approx([0.1, 0.2, -0.15])  # percentage points
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["seed 0", "seed 1", "seed 2", "mean"]
    heights = [round(float(height), 6) for height in accuracy.lines[1].get_ydata()]
    assert list(accuracy.get_yticks())[:3] == heights
    ((start, end),) = accuracy.collections[0].get_segments()
    assert (start[0], end[0]) == pytest.approx((-0.4, 0.5))
    assert texts(accuracy) == ["0 is in the interval: no difference can be told"]
    assert texts(loss) == ["the interval leaves 0 out"]
    assert accuracy.get_title(loc="left") == "separate − fused"


def test_0_is_always_in_sight_and_small_numbers_are_readable(tmp_path, drawn):
    paired_differences([THREE], tmp_path / "a.png")
    for axes in drawn[0].axes:
        low, high = axes.get_xlim()
        assert low < 0 < high
    loss = drawn[0].axes[1]
    assert loss.get_xlabel() == "difference in test loss ($10^{-8}$ nats per image)"
    assert loss.xaxis.get_major_formatter()(-2e-8, 0) == "−2"


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        ([0.0, 0.0], "equal in all 2 pairs"),
        ([0.1], "one pair: no interval"),
        ([0.1, 0.1], "the same in all 2 pairs: no interval"),
    ],
)
def test_without_an_interval_the_reason_is_told(tmp_path, drawn, values, remark):
    paired_differences([comparison(numbers(values), numbers(values))], tmp_path / "a.png")
    assert texts(drawn[0].axes[0]) == [remark]
    assert not drawn[0].axes[0].collections


def test_comparisons_are_rows_and_one_without_pairs_is_none(tmp_path, drawn):
    rows = [THREE, comparison(numbers([]), numbers([])), {**THREE, "mode": "posted_answer", "setting": "lr=1"}]
    paired_differences(rows, tmp_path / "a.png")
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes[::2]]
    assert titles == ["separate − fused", "posted_answer − fused\nlr=1"]


def test_many_seeds_and_many_comparisons_fit_a_page(tmp_path, drawn):
    values = [index / 1000 for index in range(-50, 50)]
    paired_differences([comparison(numbers(values, -0.1, 0.1), numbers(values, -0.1, 0.1))] * 20, tmp_path / "a.png")
    assert drawn[0].get_figheight() < 50
    assert "the first 8 of 20" in drawn[0].get_suptitle()
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == ["100 seeds", "mean"]
