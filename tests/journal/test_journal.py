import errno
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_trainer.errors import DiskError, TrackingError
from mnist_trainer.journal import appender, unsent
from mnist_trainer.journal import journal as journals
from mnist_trainer.journal.events import Metrics, Tags
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import is_alive, read_events
from tests.fixtures.journals import started


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_what_is_written_is_read_with_times_and_numbers_that_are_not_finite(tmp_path):
    journal = Journal(tmp_path / "run")
    journal.start(started(tmp_path, run="ab" * 16))
    journal.metrics(3, {"train/loss": math.nan, "gradient_norm": math.inf, "learning_rate": 0.1})
    journal.end("FAILED", "diverged")
    journal.close()
    events, offset = read_events(journal.path)
    start, metrics, end = events
    assert offset == journal.path.stat().st_size
    assert all(event.time >= start.start_time for event in events)
    assert (start.pid, start.run) == (os.getpid(), "ab" * 16)
    assert math.isnan(metrics.metrics["train/loss"])
    assert metrics.metrics["gradient_norm"] == math.inf
    assert (end.status, end.reason) == ("FAILED", "diverged")


def test_a_tracked_run_is_entered_into_the_unsent_ones_and_an_untracked_one_is_not(tmp_path):
    for name, mode in (("a", "mlflow"), ("b", "off")):
        journal = Journal(tmp_path / name)
        journal.start(started(tmp_path, run=name, mode=mode))
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


def test_a_killed_writer_leaves_its_lines_and_no_lock(tmp_path, start):
    code = (
        "import sys, time; from pathlib import Path; from mnist_trainer.journal.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); j.metrics(1, {'a': 1.0}); print('ready', flush=True); time.sleep(600)"
    )
    source = str(Path(__file__).parents[2])
    writer = start([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=source)
    writer.stdout.readline()
    assert is_alive(tmp_path)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert not is_alive(tmp_path)
    assert len(read_events(tmp_path / "journal.jsonl")[0]) == 1


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
    journal.start(started(tmp_path))
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
    assert [event.step for event in events[1:-1]] == list(range(5))
    assert "written again" in caplog.records[-1].getMessage()


def test_what_is_missing_in_the_end_is_told_and_what_was_there_is_whole(tmp_path, full):
    full(False)
    journal = Journal(tmp_path)
    journal.start(started(tmp_path))
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
    journal.start(started(tmp_path))
    full(True)
    for step in range(100):
        journal.metrics(step, {"a": 1.0})
    journal.tags({"kept": "yes"})
    full(False)
    journal.metrics(100, {"a": 1.0})
    journal.end("FINISHED")
    events, _ = read_events(journal.path)
    kept = [event.step for event in events if isinstance(event, Metrics)]
    assert kept[:-1] == list(range(len(kept) - 1))
    assert len(kept) < 30
    assert kept[-1] == 100
    assert [event.tags for event in events if isinstance(event, Tags)] == [{"kept": "yes"}]
    with pytest.raises(DiskError, match=f"{101 - len(kept)} records of metrics"):
        journal.close()


def test_a_run_does_not_begin_on_a_full_disk(tmp_path, full):
    journal = Journal(tmp_path / "run")
    with pytest.raises(TrackingError, match=r"journal\.jsonl: can't be written: No space left"):
        journal.start(started(tmp_path, mode="off"))
    journal.close()
    assert journal.path.read_bytes() == b""


def test_what_an_older_version_told_of_a_step_is_told_as_it_was_and_the_rest_beside_it(tmp_path):
    """Another name in a line must not make MLflow take a metric that it has for another one."""
    older = Metrics(4, {"train/loss": 0.5, "loss/clamped_rows": 0.0}, time=1)
    speed = Metrics(4, {"epoch_seconds": 2.0}, time=2)
    other = Metrics(8, {"train/loss": 0.4, "loss/clamped_rows": 0.0}, time=3)
    journal = Journal(tmp_path)
    journal.remember({event.told: event for event in (older, speed, other)})
    journal.metrics(4, {"train/loss": 0.5, "epoch": 1.0})
    journal.metrics(4, {"epoch_seconds": 3.0})  # timed, and told before
    journal.metrics(8, {"train/loss": 0.3, "epoch": 2.0})  # something else came of it
    journal.close()
    first, rest, again, new = read_events(journal.path)[0]
    assert (first, again) == (older, speed)
    assert (rest.step, rest.metrics) == (4, {"epoch": 1.0})
    assert (new.step, new.metrics) == (8, {"train/loss": 0.3, "epoch": 2.0})
    assert min(rest.time, new.time) > 3
