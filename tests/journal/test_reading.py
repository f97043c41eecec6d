import json
import logging
import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.errors import TrackingError
from mnist_trainer.files import JOURNAL
from mnist_trainer.journal.events import End, Tags
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import is_alive, read_events, read_journal, read_start


def test_a_journal_is_read_back(begin, write):
    journal = begin("a")
    write(journal, steps=3)
    read = read_journal(journal.folder)
    assert read.metrics["train/loss"] == [(1, 2.3), (2, 2.3 / 2), (3, 2.3 / 3)]
    assert read.params["loss.name"] == "fused"
    assert [(each.name, each.folder) for each in read.artifacts] == [
        ("model.txt", "checkpoints"),
        ("missing.txt", None),
    ]
    assert read.confusion.matrix == [[5, 1], [0, 4]]
    assert read.end.status == "FINISHED"
    assert read.last_time == read.end.time


def test_lines_that_are_no_events_are_skipped_with_a_warning(tmp_path, caplog):
    path = tmp_path / JOURNAL
    sound = '{"event":"tags","time":1,"tags":{}}\n', '{"event":"end","time":2,"status":"FAILED","reason":null}\n'
    path.write_text(f'{sound[0]}rubbish\n[1]\n{{"event":"tomorrow"}}\n\n{sound[1]}')
    with caplog.at_level(logging.WARNING):
        events, _ = read_events(path)
    assert events == [Tags({}, time=1), End("FAILED", time=2)]
    assert len(caplog.records) == 3


@given(st.lists(st.text(), max_size=8), st.integers(0, 400), st.integers(1, 50))
def test_reading_in_any_pieces_gives_each_event_once(texts, cut, limit):
    lines = [json.dumps({"event": "tags", "time": 1, "tags": {"text": text}}) + "\n" for text in texts]
    data = "".join(lines).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, JOURNAL)
        path.write_bytes(data[:cut])  # perhaps half a line, as a writer that was killed leaves it
        found, offset = read_events(path)
        path.write_bytes(data)
        while True:
            events, after = read_events(path, offset, limit)
            if after == offset:
                break
            found, offset = found + events, after
    assert [event.tags["text"] for event in found] == texts


def test_a_line_too_long_for_an_event_is_skipped_and_not_kept(tmp_path):
    path = tmp_path / JOURNAL
    path.write_bytes(bytes(64 << 20) + b'\n{"event":"tags","time":1,"tags":{}}\n')
    tracemalloc.start()
    try:
        events, offset = read_events(path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert events == [Tags({}, time=1)]
    assert offset == path.stat().st_size


def test_a_pipe_in_a_journal_s_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / JOURNAL)
    with pytest.raises(OSError, match="not a file"):
        read_start(tmp_path)
    with pytest.raises(TrackingError, match="can't be written here"):
        Journal(tmp_path, reopened=True)
    assert not is_alive(tmp_path)
