"""The report's sections, tables and pictures, and its numbers as JSON."""

import json
import math
from dataclasses import replace

import pytest

from mnist_trainer.analysis.comparison.markdown import ReportPicture, comparison_json, comparison_markdown
from tests.fixtures.comparisons import comparison


def test_the_tables_have_a_cell_for_every_column_and_pictures_stand_in_their_sections():
    pictures = {"Training": [ReportPicture("curves.png", "Curves")], "Timing": [ReportPicture("timing.png", "Times")]}
    studies = {"Saturation": ["saturation's own"], "Timing": ["timing's own"]}
    said = ["one.", "two."]
    markdown = comparison_markdown(
        {"system": "a|b"}, "0  Linear", comparison(), said, studies=studies, pictures=pictures
    )
    sections = markdown.split("\n## ")
    assert sections[0] == "# fused and separate, in lockstep\n"
    assert [section.partition("\n")[0] for section in sections[1:]] == [
        *("Verdict", "Setting", "Training", "Gradients", "Saturation", "Timing")
    ]
    assert "- one.\n- two.\n" in sections[1]
    assert "![Curves](curves.png)" in sections[3]
    assert "![Times](timing.png)" in sections[6]
    for block in markdown.replace("\\|", "/").split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
    assert "| ‖Δθ‖ / ‖θ‖ at the end " in markdown
    assert "Timing" not in comparison_markdown({}, "", comparison(), [])


def test_dropout_masks_are_spoken_of_where_there_is_dropout():
    for dropout in (False, True):
        markdown = comparison_markdown({}, "", replace(comparison(), dropout=dropout), [])
        assert ("on the same batch, with the same dropout masks: what" in markdown) == dropout
        assert ("on the same batch: what differs" in markdown) != dropout
        assert "relative to ‖g‖, the Euclidean norm of the gradient of fused, where" in markdown


def test_it_says_which_updates_float64_was_asked_at():
    told = {None: "At every update, before it", 1: "update, in float64, too, before it"}
    for every, words in {**told, 10: "At every update, in float64 at the first of every 10, before it"}.items():
        assert words in comparison_markdown({}, "", replace(comparison(), shadow_every=every), [])


def test_batches_are_called_the_same_only_where_there_were_some():
    for updates, told in ((0, "bit for bit.\n"), (1, "images and labels of the batches at every update (1 update).\n")):
        assert told in comparison_markdown({}, "", replace(comparison(), updates=updates), [])


def test_the_json_is_valid_whatever_the_numbers():
    text = comparison_json({"nan": math.nan, "list": (math.inf, -math.inf, 1.5), "deep": {1: [math.nan]}, "none": None})
    assert json.loads(text, parse_constant=pytest.fail) == {
        "nan": None,
        "list": ["inf", "-inf", 1.5],
        "deep": {"1": [None]},
        "none": None,
    }
