"""A resumed run in MLflow: the same run, every metric once, whatever had been sent of what was cut off."""

import fcntl
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mnist_trainer.errors import TrackingError
from mnist_trainer.journal.address import resolve_uri
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import read_start
from mnist_trainer.runs import cutting
from mnist_trainer.runs.cutting import cut_back
from mnist_trainer.shipping.delivery import delivery_of
from mnist_trainer.shipping.mlflow_run import SILENT_DEATH
from mnist_trainer.shipping.position import LOCK, Position
from mnist_trainer.shipping.sync import send_unsent


def train(journal, steps, speed):
    for step in steps:
        journal.metrics(step, {"train/loss": 2.3 / step, "gradient_norm": float("nan")})
        journal.metrics(step, {"epoch_seconds": speed, "validation/loss": 1.0 / step})


def resumed(folder, size, **changes):
    """Cut the journal back, and write that its run goes on."""
    journal = Journal(folder, reopened=True)
    start = read_start(folder)
    cut_back(journal, size, changes.get("uri", resolve_uri(start.uri, Path(start.store_folder))))
    journal.resume(replace(start, **changes), step=3)
    return journal


@pytest.fixture
def killed(begin):
    """A run that was killed after five steps, its checkpoint taken after three; the journal's size then."""

    def run():
        journal = begin("a")
        journal.params({"seed": 0})
        train(journal, range(1, 4), speed=1.0)
        size = journal.size
        train(journal, range(4, 6), speed=1.0)
        journal.close()
        return journal.folder, size

    return run


def finish(journal):
    train(journal, range(4, 8), speed=9.0)
    journal.end("FINISHED")
    journal.close()


METRICS = "select key, step from metrics order by key, step"
KEYS = ("epoch_seconds", "gradient_norm", "train/loss", "validation/loss")
EVERY_METRIC_ONCE = [(key, step) for key in KEYS for step in range(1, 8)]


@pytest.mark.long
@pytest.mark.parametrize("sent_before", [True, False])
def test_a_run_that_was_declared_dead_goes_on_with_every_metric_once(outputs, killed, rows, sent_before):
    folder, size = killed()
    if sent_before:
        send_unsent([], store_folder=outputs)
        assert rows("select status from runs") == [("FAILED",)]
        assert rows("select value from tags where key = 'failure.reason'") == [(SILENT_DEATH,)]
    journal = resumed(folder, size)
    if sent_before:
        assert Position.load(folder).offset == size
    finish(journal)
    assert send_unsent([], store_folder=outputs).summary() == "sent 1 run"
    assert rows("select status from runs") == [("FINISHED",)]
    assert rows("select value from tags where key = 'failure.reason'") == []
    assert rows(METRICS) == EVERY_METRIC_ONCE
    # what had been told before the kill stands, for the speed too
    assert rows("select value from metrics where key = 'epoch_seconds' order by step") == [(1.0,)] * 5 + [(9.0,)] * 2


@pytest.mark.long
def test_a_run_that_is_killed_again_before_it_has_caught_up_doubles_nothing(outputs, killed, rows):
    folder, size = killed()
    send_unsent([], store_folder=outputs)
    journal = resumed(folder, size)
    train(journal, range(4, 5), speed=2.0)
    journal.close()
    send_unsent([], store_folder=outputs)
    finish(resumed(folder, size))
    send_unsent([], store_folder=outputs)
    assert rows(METRICS) == EVERY_METRIC_ONCE


def test_a_run_that_is_resumed_is_running_again(outputs, killed, rows):
    folder, size = killed()
    send_unsent([], store_folder=outputs)
    journal = resumed(folder, size)
    delivery = delivery_of(folder)
    delivery.pump()
    assert rows("select status from runs") == [("RUNNING",)]
    assert rows("select value from tags where key = 'failure.reason'") == []
    delivery.release()
    journal.close()


def test_metrics_that_differ_are_written_as_they_are_now(killed, events_of):
    folder, size = killed()
    journal = resumed(folder, size)
    journal.metrics(4, {"train/loss": 7.0, "gradient_norm": float("nan")})
    journal.close()
    assert events_of(folder, "metrics")[-1]["metrics"]["train/loss"] == 7.0


def test_a_run_may_go_on_in_another_store(outputs, killed, rows, empty_store, tmp_path):
    folder, size = killed()
    send_unsent([], store_folder=outputs)
    (tmp_path / "new").mkdir()
    shutil.copy(empty_store, tmp_path / "new" / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    finish(resumed(folder, size, uri=uri))
    assert read_start(folder).uri == uri
    assert send_unsent([], store_folder=outputs).summary() == "sent 1 run"
    assert rows("select status from runs") == [("FAILED",)]  # as it was left
    assert Position.load(folder).uri == uri
    shutil.copy(tmp_path / "new" / "mlflow.db", outputs / "mlflow.db")
    assert rows(METRICS) == EVERY_METRIC_ONCE


def test_without_a_checkpoint_the_first_event_stays(killed, events_of):
    folder, _ = killed()
    journal = Journal(folder, reopened=True)
    cut_back(journal, None, "")
    journal.close()
    assert [event["event"] for event in events_of(folder)] == ["start"]


def test_a_journal_that_never_began_is_emptied(tmp_path):
    (tmp_path / "journal.jsonl").write_text('{"event":"start","ti')
    journal = Journal(tmp_path, reopened=True)
    cut_back(journal, None, "")
    assert journal.size == 0
    journal.close()


def test_a_journal_shorter_than_its_checkpoint_is_refused(killed):
    folder, _ = killed()
    journal = Journal(folder, reopened=True)
    with pytest.raises(TrackingError, match="but its checkpoint was taken at 99,999"):
        cut_back(journal, 99_999, "")
    journal.close()


def test_cutting_waits_for_the_shipper_s_lock_and_not_for_ever(killed, monkeypatch, caplog):
    monkeypatch.setattr(cutting, "PATIENCE_SECONDS", 0.1)
    folder, size = killed()
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    journal = Journal(folder, reopened=True)
    before = journal.size
    with caplog.at_level("INFO"), pytest.raises(TrackingError, match="try again later"):
        cut_back(journal, size, "")
    assert "waiting for the process that still sends the run" in caplog.text
    assert journal.size == before
    journal.close()
    os.close(lock)
