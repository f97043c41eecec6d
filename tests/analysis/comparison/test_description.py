"""What MLflow's page of a comparison ends with: the command that comes next."""

import pytest

from mnist_trainer.analysis.comparison.description import command_with_seeds


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        ([], []),
        (["data=digits", "task=compare", "seed=3"], ["data=digits"]),
        (["task=compare", "task.modes=[fused,homework]", "loss.label_smoothing=0.1", "model.hidden=[8]"], None),
    ],
)
def test_it_trains_what_was_compared_with_other_seeds(overrides, kept):
    words = command_with_seeds(overrides, ["fused", "mistakes/posted_answer"])
    assert words[:4] == ["python", "-m", "mnist_trainer", "--multirun"]
    assert words[-2:] == ["loss=fused,mistakes/posted_answer", "seed=0,1,2,3,4"]
    assert words[4:-2] == (["loss.label_smoothing=0.1", "model.hidden=[8]"] if kept is None else kept)
