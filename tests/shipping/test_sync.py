import fcntl
import os
import shutil
from dataclasses import replace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.tracking import MlflowClient

from mnist_trainer.errors import TrackingError
from mnist_trainer.files import JOURNAL
from mnist_trainer.journal import unsent
from mnist_trainer.journal.reading import read_events
from mnist_trainer.shipping import delivery
from mnist_trainer.shipping.position import Position, count_left
from mnist_trainer.shipping.sync import send_unsent
from tests.fixtures.journals import OLDER

TABLES = (
    "runs",
    "metrics",
    "latest_metrics",
    "params",
    "tags",
    "datasets",
    "inputs",
    "input_tags",
    "experiments",
)


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """They take half a second a run; `test_delivery.py` has them."""
    monkeypatch.setattr(delivery, "draw_pictures", lambda folder: [])


@pytest.fixture
def contents(rows):
    return lambda: {table: sorted(map(repr, rows(f"select * from {table}"))) for table in TABLES}


def test_times_are_those_of_the_journal(outputs, begin, write, client):
    journal = begin("a")
    write(journal)
    events, _ = read_events(journal.path)
    report = send_unsent([], store_folder=outputs)
    info = client.get_run(report.runs[0].run_id).info
    assert (info.start_time, info.end_time) == (events[0].start_time, events[-1].time)


def test_a_journal_of_before_that_was_not_sent_is_sent(outputs, client):
    folder = outputs / "a"
    folder.mkdir()
    shutil.copy(OLDER, folder / JOURNAL)
    os.utime(folder / JOURNAL, (0, 0))  # its writer, on another host, has been silent for long
    (folder / "config.yaml").touch()
    shipment = send_unsent([folder], store_folder=outputs)
    assert (shipment.summary(), shipment.left, shipment.error) == ("sent 1 run", 0, None)
    run = client.get_run(shipment.runs[0].run_id)
    assert (run.info.run_name, run.info.status) == ("mlp-fused-sgd-b128-s0", "FAILED")
    assert (run.info.start_time, run.info.end_time) == (1699999999000, 1700000000011)
    params = {
        "loss.name": "fused",
        "seed": "0",
        "optimizer.lr": "0.1",
        "model.hidden": "[128, 64]",
        "data.root": "None",
    }
    assert run.data.params == params
    tags = {"loss.exact": "true", "host": "é", "changed.epochs": "2", "failure.reason": "diverged at step 200"}
    assert run.data.tags.items() >= tags.items()
    points = [
        (point.step, point.timestamp, point.value) for point in client.get_metric_history(run.info.run_id, "train/loss")
    ]
    assert points == [(100, 1700000000005, 0.5), (200, 1700000000008, 0.25)]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("mnist", "0123")
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"config.yaml", "journal.jsonl"}


def test_a_run_that_another_root_lists_is_struck_off_there_too(outputs, begin, write, tmp_path):
    journal = begin("a")
    write(journal)
    other = tmp_path / "other"
    unsent.enter(other, next(iter(unsent.listed(outputs))), journal.folder)
    assert send_unsent([], store_folder=other).summary() == "sent 1 run"
    assert unsent.listed(other) == unsent.listed(outputs) == {}


def test_sending_twice_changes_nothing(outputs, begin, write, contents):
    write(begin("a"))
    send_unsent([outputs], store_folder=outputs)
    before = contents()
    assert send_unsent([outputs], store_folder=outputs).summary() == "sent 0 runs, 1 sent before"
    (outputs / "a" / "shipped.json").unlink()
    assert send_unsent([outputs / "a" / "journal.jsonl"], store_folder=outputs).summary() == "sent 1 run"
    assert contents() == before


@pytest.mark.long
def test_what_a_killed_shipper_sent_already_is_not_sent_again(outputs, begin, write, rows):
    write(begin("a"), steps=600)
    send_unsent([], store_folder=outputs)
    position = Position.load(outputs / "a")
    replace(position, offset=0, done=False).save(outputs / "a")
    send_unsent([outputs], store_folder=outputs)
    assert rows("select count(*) from metrics where key = 'train/loss'") == [(600,)]
    assert rows("select count(*) from runs") == [(1,)]


@pytest.mark.parametrize(("status", "reason"), [("KILLED", "SIGINT"), ("FAILED", "the loss is NaN")])
def test_status_and_reason(outputs, begin, write, client, status, reason):
    write(begin("a"), status=status, reason=reason)
    run = client.get_run(send_unsent([], store_folder=outputs).runs[0].run_id)
    assert (run.info.status, run.data.tags["failure.reason"]) == (status, reason)


def test_a_dead_run_is_failed_and_half_a_line_does_no_harm(outputs, begin, client):
    journal = begin("a")
    journal.metrics(1, {"train/loss": 1.0})
    journal.close()
    with journal.path.open("a") as file:
        file.write('{"event":"metrics","step":2,"met')
    report = send_unsent([], store_folder=outputs)
    run = client.get_run(report.runs[0].run_id)
    assert run.info.status == report.runs[0].status == "FAILED"
    assert "ended without a word" in run.data.tags["failure.reason"]
    assert run.data.metrics == {"train/loss": 1.0}
    assert report.left == 0


def test_running_and_served_runs_are_left_alone(outputs, begin, write, rows):
    begin("running").metrics(1, {"train/loss": 1.0})
    write(begin("served"))
    with (outputs / "served" / "shipping.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        report = send_unsent([outputs], store_folder=outputs)
    assert report.summary() == "sent 0 runs, 1 still running, 1 being sent by another process"
    assert rows("select count(*) from runs") == [(0,)]


def test_an_untracked_run_is_sent_only_when_named(outputs, begin, write):
    write(begin("a", mode="off"))
    assert send_unsent([], store_folder=outputs).runs == ()
    assert send_unsent([outputs / "a"], store_folder=outputs).summary() == "sent 1 run"


def test_what_mlflow_refuses_does_not_hold_up_the_rest(outputs, begin, client, caplog):
    journal = begin("a")
    journal.metrics(1, {"good": 1.0, "bad\x00?!name": 2.0, "good too": 3.0})
    journal.params({"long": "x" * 7000, "seed": 1})
    journal.params({"seed": 2})  # a parameter can't change
    journal.end("FINISHED")
    journal.close()
    report = send_unsent([], store_folder=outputs)
    data = client.get_run(report.runs[0].run_id).data
    assert data.metrics == {"good": 1.0, "good too": 3.0}
    assert data.params["seed"] == "1"
    assert len(data.params["long"]) == 6000
    assert data.params["long"].endswith("…")
    assert caplog.text.count("MLflow refused") == 2


def test_what_a_busy_server_calls_a_bad_request_is_sent_later(outputs, begin, client, caplog, monkeypatch):
    journal = begin("a")
    journal.metrics(1, {"loss": 1.0, "accuracy": 2.0})
    journal.end("FINISHED")
    journal.close()
    taken = MlflowClient.log_batch

    def busy(self, *arguments, **told):
        raise MlflowException("QueuePool limit of size 5 overflow 10 reached, connection timed out", BAD_REQUEST)

    monkeypatch.setattr(MlflowClient, "log_batch", busy)
    assert send_unsent([], store_folder=outputs).left > 0
    monkeypatch.setattr(MlflowClient, "log_batch", taken)
    report = send_unsent([], store_folder=outputs)
    assert client.get_run(report.runs[0].run_id).data.metrics == {"loss": 1.0, "accuracy": 2.0}
    assert "MLflow refused" not in caplog.text


def test_a_run_deleted_in_mlflow_stays_deleted(outputs, begin, client, rows):
    journal = begin("a")
    journal.metrics(1, {"a": 1.0})
    journal.close()
    run_id = send_unsent([], store_folder=outputs).runs[0].run_id
    replace(Position.load(outputs / "a"), done=False).save(outputs / "a")
    client.delete_run(run_id)
    with journal.path.open("a") as file:
        file.write('{"event":"metrics","time":5,"step":2,"metrics":{"a":2.0}}\n')
    report = send_unsent([outputs], store_folder=outputs)
    assert (report.runs[0].run_id, report.runs[0].status, report.left) == (run_id, "DELETED", 0)
    assert rows("select count(*) from runs") == [(1,)]


def test_a_deleted_experiment_stays_deleted_and_what_is_kept_can_go_to_another(outputs, begin, write, client):
    write(begin("a"))
    experiment = send_unsent([], store_folder=outputs).runs[0].experiment_id
    client.delete_experiment(experiment)
    write(begin("b"))
    write(begin("c", experiment="letters"))
    report = send_unsent([], store_folder=outputs)
    assert report.summary() == "sent 1 run, 1 not sent"  # another experiment's is
    assert (
        "its experiment mnist was deleted; to have it back, with all its runs: env MLFLOW_TRACKING_URI=" in report.error
    )
    assert f"mlflow experiments restore -x {experiment}; or name another" in report.error
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    assert send_unsent([], store_folder=outputs, experiment="mine").summary() == "sent 1 run"
    found = client.get_experiment_by_name("mine")
    assert [run.info.run_name for run in client.search_runs([found.experiment_id])] == ["run b"]


@pytest.mark.parametrize("uri", ["file:///tmp/nowhere", "http://127.0.0.1:9"])
def test_an_unusable_store_loses_nothing(outputs, begin, write, client, uri):
    write(begin("a", uri=uri))
    write(begin("b", uri=uri))
    report = send_unsent([], store_folder=outputs)
    assert report.summary() == "sent 0 runs, 2 not sent"
    assert uri in report.error
    assert report.error.count(uri) == 1 or "Max retries" in report.error
    assert report.left == sum(count_left(outputs / name) for name in "ab") > 60
    later = send_unsent([], store_folder=outputs, uri=f"sqlite:///{outputs}/mlflow.db")
    assert (later.summary(), later.left, later.error) == ("sent 2 runs", 0, None)
    assert {run.info.status for run in client.search_runs(["1"])} == {"FINISHED"}
    assert unsent.listed(outputs) == {}


def test_a_file_that_is_no_database_is_told_at_once(outputs, begin, write):
    (outputs / "notes.db").write_text("not a database, but long enough to be taken for one" * 30)
    write(begin("a", uri=f"sqlite:///{outputs}/notes.db"))
    assert "notes.db: file is not a database" in send_unsent([], store_folder=outputs).error


def test_a_store_that_was_thrown_away_gets_everything_anew(outputs, empty_store, begin, write, client):
    write(begin("a"))
    send_unsent([], store_folder=outputs)
    (outputs / "mlflow.db").rename(outputs / "old.db")
    assert send_unsent([outputs], store_folder=outputs).summary() == "sent 1 run"


def test_a_path_without_a_journal_is_told(tmp_path):
    with pytest.raises(TrackingError, match="no journal here"):
        send_unsent([tmp_path], store_folder=tmp_path)


def test_a_named_file_that_holds_no_run_is_told(tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(bytes(99) + b"\n")
    with pytest.raises(TrackingError, match="holds no run"):
        send_unsent([tmp_path], store_folder=tmp_path)
