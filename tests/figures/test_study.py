"""The pictures of a study are drawn whatever its trials came to."""

import pytest

from mnist_trainer.figures.study import StudyLines, TrialLine, study_history, study_parameters

TRIALS = [
    TrialLine(0, 0.3, False, {"lr": 0.1, "optimizer": "sgd"}, [[1, 0.5], [2, 0.3]]),
    TrialLine(1, 4.0, False, {"lr": 0.001, "optimizer": "adam"}, [[1, 6.0], [2, 4.0]]),
    TrialLine(2, None, True, {"lr": 1.0, "optimizer": "sgd"}, [[1, 5.0]]),
    TrialLine(3, None, True, {"lr": 0.7, "optimizer": "sgd"}, []),
]


@pytest.mark.parametrize("minimized", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 4])
@pytest.mark.parametrize("draw", [study_history, study_parameters])
def test_a_study_is_drawn(tmp_path, draw, count, minimized):
    importance = {"lr": 0.8, "optimizer": 0.2} if count > 2 else {}
    draw(StudyLines("validation/loss", minimized, ["lr", "optimizer"], importance, TRIALS[:count]), tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_of_pruned_trials_alone_is_drawn(tmp_path):
    study_history(StudyLines("validation/loss", True, ["lr"], {}, TRIALS[2:]), tmp_path / "s.png")
    study_parameters(StudyLines("validation/loss", True, ["lr"], {}, TRIALS[2:]), tmp_path / "p.png")
    assert (tmp_path / "p.png").exists()
