import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from mnist_trainer.figures.style import BLUE, VERMILLION
from mnist_trainer.figures.sweep_modes import mode_curves


def run(seed, noise=0.0):
    steps = range(100, 2001, 100)
    losses = {step: 2.3 * math.exp(-step / 600) + 0.01 * seed for step in steps}
    return {
        "train/loss": [(step, loss + noise * step) for step, loss in losses.items()],
        "validation/loss": [(step, loss + noise) for step, loss in losses.items()],
        "validation/accuracy": [(step, 1 - loss / 3) for step, loss in losses.items()],
    }


def texts(axes):
    return " ".join(text.get_text() for text in axes.texts)


def test_curves_that_coincide_are_both_seen(tmp_path, drawn):
    mode_curves({"fused": [run(0)], "separate": [run(0)]}, tmp_path / "a.png")
    pixels = imread(tmp_path / "a.png")[:, :, :3]
    pale = 0.35 * np.array(to_rgb(BLUE)) + 0.65
    for colour in (pale, to_rgb(VERMILLION)):
        assert (np.abs(pixels - colour).max(axis=2) < 0.02).sum() > 500
    assert texts(drawn[0].axes[3]) == "separate: equal to fused to the last bit"


def test_mean_band_and_difference_are_over_the_seeds(tmp_path, drawn):
    modes = {"fused": [run(seed) for seed in range(3)], "separate": [run(seed, 1e-7) for seed in range(3)]}
    mode_curves(modes, tmp_path / "a.png")
    train, _, _, difference = drawn[0].axes
    mean = train.lines[0].get_ydata()
    assert mean[0] == pytest.approx(2.3 * math.exp(-100 / 600) + 0.01)
    assert len(train.collections) == 2
    assert difference.lines[0].get_ydata() == pytest.approx(1e-7 * np.arange(100, 2001, 100), rel=1e-6)
    assert "separate (3 runs)" in [text.get_text() for text in difference.get_legend().get_texts()]


def test_only_steps_that_all_seeds_have_are_drawn(tmp_path, drawn):
    short = {name: series[:5] for name, series in run(1).items()}
    mode_curves({"fused": [run(0), short]}, tmp_path / "a.png")
    assert list(drawn[0].axes[0].lines[0].get_xdata()) == [100, 200, 300, 400, 500]
    assert texts(drawn[0].axes[3]) == "nothing to compare"


def test_a_mode_that_diverges_leaves_a_gap(tmp_path, drawn):
    broken = {"train/loss": [(100, 2.0), (200, math.nan), (300, math.inf)]}
    mode_curves({"fused": [run(0)], "separate": [broken]}, tmp_path / "a.png")
    assert np.isnan(drawn[0].axes[0].lines[1].get_ydata()[1:]).all()


def test_differences_are_to_fused_whatever_the_order_of_the_modes(tmp_path, drawn):
    mode_curves({"separate": [run(0, 1e-7)], "fused": [run(0)]}, tmp_path / "a.png")
    difference = drawn[0].axes[3]
    assert difference.get_title() == "Distance to fused: mean size of the difference"
    assert [text.get_text() for text in difference.get_legend().get_texts()] == ["separate (1 run)"]
