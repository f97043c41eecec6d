"""task=profile by the command, on digits."""

import json

import pytest

TINY = ("task=profile", "data=digits", "model.hidden=[8]", "task.updates=2", "tracking=off")


def test_it_prints_where_the_time_goes_and_leaves_the_tables(command):
    done = command(*TINY, "optimizer=adam")
    assert done.code == 0, done.output
    for words in ("1 Linear 8", "SoftmaxLoss", "Adam", "Adam.step", "affine.weights_gradient", "A step takes"):
        assert words in done.output
    assert "\x1b[" not in done.output  # piped
    report = (done.run / "profile.md").read_text()
    assert "| 1 Linear 8" in report
    assert "- processor: " in report
    record = json.loads((done.run / "profile.json").read_text())
    assert record["batch"] == 128
    assert record["step_seconds"] > 0
    assert record["machine"]["versions"].endswith("on 1 thread")
    outcome = json.loads((done.run / "outcome.json").read_text())
    assert outcome["status"] == "FINISHED"
    assert outcome["peak_operations_per_second"] == record["peak_operations_per_second"]


@pytest.mark.parametrize(
    ("override", "code", "message"),
    [
        ("task.updates=0", 2, "task.updates=0 is out of range"),
        ("loss=mistakes/posted_question", 1, "With batch_size=10 it runs"),
        ("optimizer.lr=1e30", 1, "diverged"),
    ],
)
def test_what_cannot_be_is_told(command, override, code, message):
    done = command(*TINY, override, "task.updates=20") if "updates" not in override else command(*TINY[:3], override)
    assert done.code == code
    assert message in done.output
    assert "Traceback" not in done.output
