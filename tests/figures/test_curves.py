import math

from matplotlib.image import imread

from mnist_trainer.figures.curves import learning_curves

STEPS = range(10, 1001, 10)
METRICS = {
    "train/loss": [(step, 2.3 * math.exp(-step / 200)) for step in STEPS],
    "train/accuracy": [(step, 1 - 0.9 * math.exp(-step / 200)) for step in STEPS],
    "validation/loss": [(500, 0.3), (1000, 0.1)],
    "validation/accuracy": [(500, 0.9), (1000, 0.97)],
    "test/loss": [(1000, 0.0712)],
    "test/accuracy": [(1000, 0.9765)],
}


def legends(figure):
    return [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]


def test_both_panels_name_their_curves_and_the_test_value(tmp_path, drawn):
    learning_curves(METRICS, tmp_path / "curves.png", "a run")
    words = " ".join(legends(drawn[0]))
    assert "test 0.0712" in words
    assert "test 97.65%" in words
    assert [axes.get_xlabel() for axes in drawn[0].axes] == ["updates", "updates"]
    assert drawn[0].axes[0].get_yscale() == "log"
    assert imread(tmp_path / "curves.png").shape[:2] == (660, 1650)


def test_every_validation_point_is_on_the_picture(tmp_path, drawn):
    learning_curves(METRICS, tmp_path / "curves.png", "a run")
    low, high = drawn[0].axes[1].get_ylim()
    assert low < 0.9 < 0.9765 < high


def test_the_step_at_which_a_run_diverged_is_named(tmp_path, drawn):
    metrics = {"train/loss": [(1, 2.0), (2, 3.0), (1500, math.nan), (1501, math.inf)]}
    learning_curves(metrics, tmp_path / "curves.png", "diverged")
    assert "training not finite from update 1,500" in " ".join(
        text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()
    )


def test_little_or_nothing_can_be_drawn(tmp_path):
    for metrics in (
        {},
        {"train/loss": [(1, math.nan)]},
        {"test/accuracy": [(1, 1.0)]},
        {"validation/loss": [(0, 0.0)]},
    ):
        learning_curves(metrics, tmp_path / "curves.png", "")
        assert (tmp_path / "curves.png").stat().st_size > 1000
        (tmp_path / "curves.png").unlink()


def test_a_training_of_one_record_is_a_point_since_a_line_needs_two(tmp_path, drawn):
    alone = {"train/loss": [(5, 1.2e32), (10, math.nan)], "train/accuracy": [(5, 0.08)]}
    learning_curves(alone, tmp_path / "alone.png", "diverged")
    assert [axes.get_lines()[0].get_marker() for axes in drawn[0].axes] == ["o", "o"]
    learning_curves(METRICS, tmp_path / "many.png", "a run")
    assert [axes.get_lines()[0].get_marker() for axes in drawn[1].axes] == ["None", "None"]
