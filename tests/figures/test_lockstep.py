import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from mnist_trainer.figures.lockstep import gradient_differences, running_mean_of_curve, training_curves
from mnist_trainer.figures.style import BLUE, VERMILLION

STEPS = list(range(1, 301))
NONE = ("logits", "parameters", "drift", "bound", "shadow_steps", "shadow_logits", "shadow_parameters", "shadow_bound")


def differences(size=1e-7):
    return {
        "logits": [size * (1 + step % 3) for step in STEPS],
        "parameters": [2 * size] * 300,
        "drift": [size * 1.05**step for step in STEPS],
        "logits_norm": [0.1] * 300,
        "bound": [1e-5] * 300,
        "shadow_steps": STEPS[::10],
        "shadow_logits": [1e-16] * 30,
        "shadow_parameters": [2e-16] * 30,
        "shadow_bound": [1e-12] * 30,
    }


def record(*others, **changes):
    modes = ["fused", *others]
    loss = [2.3 * math.exp(-step / 100) for step in STEPS]
    return {
        "modes": modes,
        "dtype": "float32",
        "steps": STEPS,
        "loss": dict.fromkeys(modes, loss),
        "accuracy": {mode: [1 - value / 3 for value in loss] for mode in modes},
        "validation": {mode: [[150, 0.5, 0.8], [300, 0.2, 0.9]] for mode in modes},
        "differences": {mode: differences() for mode in others},
        **changes,
    }


def texts(axes):
    return [text.get_text() for text in axes.texts]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_curves_that_coincide_are_both_seen(tmp_path, drawn):
    training_curves(record("separate"), tmp_path / "a.png")
    pixels = imread(tmp_path / "a.png")[:, :, :3]
    pale = 0.35 * np.array(to_rgb(BLUE)) + 0.65
    for colour in (pale, to_rgb(VERMILLION)):
        assert (np.abs(pixels - colour).max(axis=2) < 0.02).sum() > 500
    loss, accuracy = drawn[0].axes
    assert labels(loss) == labels(accuracy) == ["fused", "separate"]
    low, high = accuracy.get_ylim()
    assert low < 0.8 < 0.9 < high < 1.01


def test_a_mode_that_dropped_out_says_when_and_its_last_value_is_marked(tmp_path, drawn):
    broken = [*record()["loss"]["fused"][:100], math.nan]
    loss = {"fused": record()["loss"]["fused"], "separate": broken}
    training_curves(record("separate", loss=loss), tmp_path / "a.png")
    assert labels(drawn[0].axes[0]) == ["fused", "separate (ends after 100 updates)"]
    assert any(line.get_marker() == "X" and line.get_xdata()[0] == 100 for line in drawn[0].axes[0].lines)


def test_a_loss_that_explodes_leaves_the_others_to_be_seen(tmp_path, drawn):
    loss = {"fused": record()["loss"]["fused"], "sum_for_mean": [10.0**step for step in range(30)]}
    training_curves(record("sum_for_mean", loss=loss), tmp_path / "a.png")
    low, high = drawn[0].axes[0].get_ylim()
    assert 0.001 < low < min(loss["fused"])
    assert max(loss["fused"]) < high < 100
    assert list(drawn[0].axes[0].get_yticks())


def test_the_precision_of_the_training_is_named(tmp_path, drawn):
    gradient_differences(record("separate", dtype="float64"), tmp_path / "a.png")
    assert "rounding of\nfloat64" in texts(drawn[0].axes[1])
    assert not any("float32" in text for text in texts(drawn[0].axes[0]))


def test_the_running_mean_is_of_the_neighbours():
    assert running_mean_of_curve(np.arange(6.0), 1) == pytest.approx(np.arange(6.0))
    assert running_mean_of_curve(np.arange(6.0), 3) == pytest.approx([0.5, 1, 2, 3, 4, 4.5])
    assert running_mean_of_curve(np.array([]), 3).size == 0


def test_the_differences_of_both_precisions_stand_under_their_bounds_and_the_drift_beside(tmp_path, drawn):
    gradient_differences(record("separate"), tmp_path / "a.png")
    gradients, drift = drawn[0].axes
    assert {"logits, float32", "parameters, float64", "bound, float32", "bound, float64"} <= set(texts(gradients))
    assert gradients.get_yscale() == drift.get_yscale() == "log"
    assert gradients.get_ylabel() == drift.get_ylabel() == "‖difference‖ / ‖fused‖"
    low, high = gradients.get_ylim()
    assert low < 1e-16 < 1e-5 < high
    assert drift.lines[0].get_ydata() == pytest.approx(differences()["drift"])
    assert texts(drift)[0].startswith("drift: 0.2")


@pytest.mark.long
def test_every_other_mode_has_its_own_line_of_panels(tmp_path, drawn):
    gradient_differences(record("separate", "posted_answer", "diagonal"), tmp_path / "a.png")
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert [title.partition(":")[0] for title in titles[::2]] == ["separate", "posted_answer", "diagonal"]


def test_differences_of_nothing_are_said_to_be_equal_and_zeros_leave_gaps(tmp_path, drawn):
    equal = {**differences(), "logits": [0.0] * 300, "drift": [0.0] * 300}
    equal["parameters"] = [0.0, 1e-7] * 150
    gradient_differences(record("separate", differences={"separate": equal}), tmp_path / "a.png")
    gradients, drift = drawn[0].axes
    assert "logits, float32: equal to the last bit" in texts(gradients)
    assert texts(drift) == ["drift: equal to the last bit"]
    assert all(np.asarray(line.get_ydata()).min() > 0 for line in gradients.lines)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_leave_gaps(tmp_path, drawn, value):
    broken = {key: [*values[:-5], *[value] * 5] for key, values in differences().items() if key != "shadow_steps"}
    gradient_differences(
        record("separate", differences={"separate": {**broken, "shadow_steps": STEPS[::10]}}), tmp_path / "a.png"
    )
    training_curves(record("separate", validation={"fused": [[1, value, 0.5]]}), tmp_path / "b.png")
    assert drawn[0].axes[1].lines[0].get_ydata()[294:].tolist() == [
        pytest.approx(1e-7 * 1.05**295),
        *[pytest.approx(math.nan, nan_ok=True)] * 5,
    ]


@pytest.mark.long
def test_little_or_nothing_can_be_drawn(tmp_path, drawn):
    empty = {
        "modes": ["fused"],
        "dtype": "float32",
        "steps": [],
        "loss": {},
        "accuracy": {},
        "validation": {},
        "differences": {},
    }
    for number, one in enumerate(
        [
            empty,
            {**empty, "modes": ["fused", "separate"]},
            {**empty, "modes": ["fused", "separate"], "differences": {"separate": dict.fromkeys(NONE, ())}},
            {**empty, "steps": [1], "loss": {"fused": [2.3]}, "accuracy": {"fused": [0.1]}},
        ]
    ):
        training_curves(one, tmp_path / f"{number}a.png")
        gradient_differences(one, tmp_path / f"{number}b.png")
        assert (tmp_path / f"{number}b.png").stat().st_size > 1000
    assert texts(drawn[1].axes[0]) == ["nothing to compare"]
