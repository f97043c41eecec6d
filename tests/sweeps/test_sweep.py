"""A sweep's pictures, where they can't be drawn."""

from mnist_trainer.sweeps.sweep import draw_sweep


def test_pictures_that_cannot_be_drawn_are_told_with_the_reason(tmp_path, caplog):
    (tmp_path / "journal.jsonl").mkdir()
    draw_sweep(tmp_path)
    (told,) = caplog.messages
    assert told.startswith("the pictures can't be drawn: OSError: ")
    assert "not a file" in told
