import errno
import json
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.errors import DiskError, TrackingError
from mnist_trainer.journal import appender, unsent
from mnist_trainer.journal import journal as journals
from mnist_trainer.journal.events import parse
from mnist_trainer.journal.journal import Journal, RunRecord
from mnist_trainer.journal.reading import is_alive, read_events, read_start


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def record(root: Path, **changes):
    content = {
        "kind": "run",
        "experiment": "mnist",
        "name": "n",
        "uri": None,
        "mode": "mlflow",
        "parent": None,
    }
    return RunRecord(**{"run": "ab" * 16, **content, "store_folder": str(root), **changes})


def test_what_is_written_is_read_with_times_and_numbers_that_are_not_finite(tmp_path):
    journal = Journal(tmp_path / "run")
    journal.start(record(tmp_path))
    journal.metrics(3, {"train/loss": math.nan, "gradient_norm": math.inf, "learning_rate": 0.1})
    journal.end("FAILED", "diverged")
    journal.close()
    events, offset = read_events(journal.path)
    assert [event["event"] for event in events] == ["start", "metrics", "end"]
    assert offset == journal.path.stat().st_size
    assert all(event["time"] >= events[0]["start_time"] for event in events)
    assert (events[0]["pid"], events[0]["run"]) == (os.getpid(), "ab" * 16)
    assert math.isnan(events[1]["metrics"]["train/loss"])
    assert events[1]["metrics"]["gradient_norm"] == math.inf
    assert (events[2]["status"], events[2]["reason"]) == ("FAILED", "diverged")


def test_a_tracked_run_is_entered_into_the_unsent_ones_and_an_untracked_one_is_not(tmp_path):
    for name, mode in (("a", "mlflow"), ("b", "off")):
        journal = Journal(tmp_path / name)
        journal.start(record(tmp_path, run=name, mode=mode))
        journal.close()
    assert unsent.listed(tmp_path) == {"a": tmp_path / "a"}


def test_a_second_writer_and_a_used_folder_are_refused(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(TrackingError, match="another process"):
        Journal(tmp_path, reopened=True)
    journal.tags({"a": "b"})
    assert len(read_events(journal.path)[0]) == 1
    journal.close()
    with pytest.raises(TrackingError, match="already"):
        Journal(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="file"):
        Journal(tmp_path / "file" / "run")


def test_the_writer_is_alive_until_it_closes(tmp_path):
    assert not is_alive(tmp_path)
    journal = Journal(tmp_path)
    assert is_alive(tmp_path)
    journal.close()
    assert not is_alive(tmp_path)


def test_a_killed_writer_leaves_its_lines_and_no_lock(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from mnist_trainer.journal.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); j.metrics(1, {'a': 1.0}); print('ready', flush=True); time.sleep(60)"
    )
    source = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=source) as writer:
        writer.stdout.readline()
        assert is_alive(tmp_path)
        writer.send_signal(signal.SIGKILL)
    assert not is_alive(tmp_path)
    assert len(read_events(tmp_path / "journal.jsonl")[0]) == 1


def test_lines_that_are_no_events_are_skipped_with_a_warning(tmp_path, caplog):
    path = tmp_path / "journal.jsonl"
    sound = '{"event":"tags","time":1,"tags":{}}\n', '{"event":"end","time":2,"status":"FAILED","reason":null}\n'
    path.write_text(f'{sound[0]}rubbish\n[1]\n{{"event":"tomorrow"}}\n\n{sound[1]}')
    with caplog.at_level(logging.WARNING):
        events, _ = read_events(path)
    assert [event["event"] for event in events] == ["tags", "end"]
    assert len(caplog.records) == 3


@given(st.lists(st.text(), max_size=8), st.integers(0, 400), st.integers(1, 50))
def test_reading_in_any_pieces_gives_each_event_once(texts, cut, limit):
    lines = [json.dumps({"event": "tags", "time": 1, "tags": {"text": text}}) + "\n" for text in texts]
    data = "".join(lines).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.jsonl")
        path.write_bytes(data[:cut])  # perhaps half a line, as a writer that was killed leaves it
        found, offset = read_events(path)
        path.write_bytes(data)
        while True:
            events, after = read_events(path, offset, limit)
            if after == offset:
                break
            found, offset = found + events, after
    assert [event["tags"]["text"] for event in found] == texts


def test_the_training_side_loads_nothing_heavy():
    code = (
        "import sys; import mnist_trainer.journal.journal, mnist_trainer.shipping.shipper\n"
        "print([m for m in ('numpy', 'mlflow', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    source = str(Path(__file__).parents[2])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=source, check=True)
    assert run.stdout.strip() == "[]"


@pytest.fixture
def full(monkeypatch):
    """Let the disk be full, or not."""
    write, state = os.write, {"full": True}

    def limited(descriptor, data):
        if state["full"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    def begin(is_full):
        state["full"] = is_full

    monkeypatch.setattr(appender.os, "write", limited)
    return begin


def test_a_disk_that_is_full_for_a_while_costs_no_line_and_is_told_once(tmp_path, full, caplog):
    full(False)
    journal = Journal(tmp_path)
    journal.start(record(tmp_path))
    full(True)
    for step in range(5):
        journal.metrics(step, {"a": 1.0})
    (told,) = caplog.records
    assert told.getMessage().startswith(f"{journal.path}: No space left on device")
    with pytest.raises(OSError, match="No space left"):
        journal.sync()  # no checkpoint may say that it has what is not on the disk
    full(False)
    journal.end("FINISHED")
    journal.close()
    events, _ = read_events(journal.path)
    assert [event.get("step") for event in events] == [None, *range(5), None]
    assert "written again" in caplog.records[-1].getMessage()


def test_what_is_missing_in_the_end_is_told_and_what_was_there_is_whole(tmp_path, full):
    full(False)
    journal = Journal(tmp_path)
    journal.start(record(tmp_path))
    before = journal.path.read_bytes()
    full(True)
    journal.metrics(12, {"a": 1.0})
    journal.metrics(13, {"a": 1.0})
    journal.end("FINISHED")
    with pytest.raises(DiskError) as caught:
        journal.close()
    assert str(caught.value) == (
        f"{journal.path}: No space left on device; it lacks 3 events: metrics from step 12 on, the run's end"
    )
    assert journal.path.read_bytes() == before
    assert not is_alive(tmp_path)


def test_what_waits_is_bounded_and_what_is_no_metric_is_kept(tmp_path, full, monkeypatch):
    monkeypatch.setattr(journals, "WAITING_BYTES", 1000)
    full(False)
    journal = Journal(tmp_path)
    journal.start(record(tmp_path))
    full(True)
    for step in range(100):
        journal.metrics(step, {"a": 1.0})
    journal.tags({"kept": "yes"})
    full(False)
    journal.metrics(100, {"a": 1.0})
    journal.end("FINISHED")
    events, _ = read_events(journal.path)
    kept = [event["step"] for event in events if event["event"] == "metrics"]
    assert kept[:-1] == list(range(len(kept) - 1))
    assert len(kept) < 30
    assert kept[-1] == 100
    assert {"kept": "yes"} in [event.get("tags") for event in events]
    with pytest.raises(DiskError, match=f"{101 - len(kept)} records of metrics"):
        journal.close()


def test_a_run_does_not_begin_on_a_full_disk(tmp_path, full):
    journal = Journal(tmp_path / "run")
    with pytest.raises(TrackingError, match=r"journal\.jsonl: can't be written: No space left"):
        journal.start(record(tmp_path, mode="off"))
    journal.close()
    assert journal.path.read_bytes() == b""


START = {**asdict(record(Path("/outputs"))), "event": "start", "time": 1}


@pytest.mark.parametrize(
    "event",
    [
        {**START, "run": "../../precious"},  # its entry among the unsent ones would be removed
        {**START, "host": 3},
        {key: value for key, value in START.items() if key != "mode"},
        {"event": "artifact", "time": 1, "name": "../../.ssh/id_rsa", "folder": None},  # it would be sent
        {"event": "metrics", "time": 1, "step": -1, "metrics": {}},
        {"event": "metrics", "time": 1, "step": 1, "metrics": {"loss": "low"}},
        {"event": "metrics", "time": 1 << 63, "step": 1, "metrics": {}},
        {"event": "end", "time": 1, "status": "DONE", "reason": None},
        {"event": ["end"], "time": 1},
        {"event": "tags", "time": 1, "tags": {"a": "\ud800"}},
    ],
    ids=["run", "host", "no mode", "artifact", "step", "value", "time", "status", "kind", "surrogate"],
)
def test_an_event_that_lacks_something_or_means_harm_is_none(event):
    assert parse(json.dumps(event).encode()) is None
    assert parse(json.dumps(START).encode()) == START


def test_a_line_too_long_for_an_event_is_skipped_and_not_kept(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(bytes(64 << 20) + b'\n{"event":"tags","time":1,"tags":{}}\n')
    tracemalloc.start()
    try:
        events, offset = read_events(path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert [event["event"] for event in events] == ["tags"]
    assert offset == path.stat().st_size


def test_a_pipe_in_a_journal_s_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "journal.jsonl")
    with pytest.raises(OSError, match="not a file"):
        read_start(tmp_path)
    with pytest.raises(TrackingError, match="can't be written here"):
        Journal(tmp_path, reopened=True)
    assert not is_alive(tmp_path)
