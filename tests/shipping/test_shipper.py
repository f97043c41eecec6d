"""The child process, on real stores; a test here takes some 4 s, most of it MLflow's import."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.locks import locked
from mnist_trainer.journal.reading import read_start
from mnist_trainer.runs.cutting import cut_back
from mnist_trainer.shipping.position import LOCK, Position
from mnist_trainer.shipping.shipper import Shipper
from mnist_trainer.shipping.sync import send_unsent
from mnist_trainer.shipping.watch import Watch
from tests.fixtures.journals import until

SOURCE = str(Path(__file__).parents[2])
WRITER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from mnist_trainer.journal.journal import Journal
    from mnist_trainer.shipping.shipper import Shipper
    from tests.fixtures.journals import started
    folder, root, ends = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "ends"
    shipper = Shipper(folder)
    journal = Journal(folder)
    journal.start(started(Path(root), name=folder.name))
    for step in range(1, 501):
        journal.metrics(step, {"learning_rate": 1.0 / step})
    print(shipper._child.pid, flush=True)
    if not ends:
        time.sleep(600)
    journal.end("FINISHED")
    journal.close()
    print(shipper.finish(300).as_json())
    """
)


@pytest.fixture
def start_writer(start):
    """Start a process that trains, as far as its journal and its shipper can tell."""

    def started(folder, root, *words):
        command = [sys.executable, "-c", WRITER, str(folder), str(root), *words]
        environment = {**os.environ, "PYTHONPATH": SOURCE}
        return start(command, stdout=subprocess.PIPE, text=True, env=environment)

    return started


@pytest.mark.long
def test_a_run_is_seen_while_it_runs_and_ends_with_all_it_has(outputs, begin, write, client):
    shipper = Shipper(outputs / "a")
    journal = begin("a")
    journal.metrics(0, {"learning_rate": 0.1})
    until(lambda: (position := Position.load(outputs / "a")) is not None and position.offset)
    run_id = Position.load(outputs / "a").run_id
    run = client.get_run(run_id)
    assert (run.info.status, run.data.metrics) == ("RUNNING", {"learning_rate": 0.1})
    write(journal)
    report = shipper.finish(300)
    assert (report.left, report.error, report.timed_out) == (0, None, False)
    assert [(run.run_id, run.status, run.outcome) for run in report.runs] == [(run_id, "FINISHED", "sent")]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert len(client.get_metric_history(run_id, "train/loss")) == 30
    log = (outputs / "a" / "shipper.log").read_text()
    assert len(log.splitlines()) == 1  # that the declared artifact is missing
    assert "missing.txt" in log


@pytest.mark.long
def test_after_a_kill_of_the_writer_the_run_is_failed(outputs, start_writer, client):
    writer = start_writer(outputs / "a", outputs, "stays")
    writer.stdout.readline()
    writer.kill()
    until(lambda: (position := Position.load(outputs / "a")) is not None and position.done)
    run = client.get_run(Position.load(outputs / "a").run_id)
    assert run.info.status == "FAILED"
    assert "ended without a word" in run.data.tags["failure.reason"]
    assert len(client.get_metric_history(run.info.run_id, "learning_rate")) == 500


@pytest.mark.long
def test_after_a_kill_of_writer_and_shipper_the_next_command_says_failed(outputs, start_writer, begin, write, client):
    early, late = (start_writer(outputs / name, outputs, "stays") for name in ("a", "b"))
    os.kill(int(early.stdout.readline()), signal.SIGKILL)  # before MLflow has heard of the run
    shipper = int(late.stdout.readline())
    until(lambda: Position.load(outputs / "b") is not None)
    os.kill(shipper, signal.SIGKILL)
    for writer in (early, late):
        writer.kill()
        writer.wait()
    run_id = Position.load(outputs / "b").run_id
    assert client.get_run(run_id).info.status == "RUNNING"
    shipper = Shipper(outputs / "c")  # the next command; it finds `a` and `b`
    write(begin("c"))
    assert shipper.finish(300).left == 0
    assert client.get_run(run_id).info.status == "FAILED"
    assert len(client.get_metric_history(run_id, "learning_rate")) == 500
    assert len(client.search_runs(["1"], "attributes.status = 'FAILED'")) == 2
    assert send_unsent([], store_folder=outputs).runs == ()


@pytest.mark.long
def test_a_sweep_is_served_by_one_shipper(outputs, begin, write, client):
    shipper = Shipper(outputs / "sweep")
    sweep = begin("sweep", kind="sweep", run="5" * 32)
    for name in ("0", "1"):
        write(begin(f"sweep/{name}", parent="5" * 32))
    begin("sweep/2", parent="5" * 32).close()  # died
    sweep.end("FAILED", "1 of 3 jobs failed")
    sweep.close()
    report = shipper.finish(300)
    assert (report.summary(), report.left, report.error) == ("sent 4 runs", 0, None)
    assert [run.status for run in report.runs] == ["FAILED", "FINISHED", "FINISHED", "FAILED"]
    children = client.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{report.runs[0].run_id}'")
    assert len(children) == 3


@pytest.mark.long
def test_one_journal_that_can_not_be_sent_does_not_hold_up_the_others(outputs, begin, write):
    shipper = Shipper(outputs / "sweep")
    sweep = begin("sweep", kind="sweep", run="5" * 32)
    (outputs / "sweep" / "0" / "shipping.lock").mkdir(parents=True)  # nobody can lock a folder
    for name in ("0", "1"):
        write(begin(f"sweep/{name}", parent="5" * 32))
    sweep.end("FINISHED")
    sweep.close()
    report = shipper.finish(500)  # it ends long before
    assert report.summary() == "sent 2 runs, 1 not sent"
    assert "sweep/0/shipping.lock: Is a directory" in report.error
    report = send_unsent([], store_folder=outputs)
    assert (report.summary(), report.left > 30) == ("sent 0 runs, 1 not sent", True)
    write(begin("z"))
    assert send_unsent([], store_folder=outputs).summary() == "sent 1 run, 1 not sent"
    (outputs / "sweep" / "0" / "shipping.lock").rmdir()
    assert send_unsent([], store_folder=outputs).summary() == "sent 1 run"


@pytest.mark.long
def test_a_sweep_s_job_that_died_is_sent_again_when_it_is_resumed(outputs, begin, write, client):
    shipper = Shipper(outputs / "sweep")
    sweep = begin("sweep", kind="sweep", run="5" * 32)
    folder = outputs / "sweep" / "0"
    begin("sweep/0", parent="5" * 32).close()
    until(lambda: (position := Position.load(folder)) is not None and position.done)
    assert client.get_run(Position.load(folder).run_id).info.status == "FAILED"
    journal = Journal(folder, reopened=True)
    cut_back(journal, None, f"sqlite:///{outputs}/mlflow.db")
    journal.resume(read_start(folder), 0)
    until(lambda: client.get_run(Position.load(folder).run_id).info.status == "RUNNING")
    with locked(folder / LOCK, 5):  # free between two rounds: it may be resumed once more
        pass
    write(journal)
    sweep.end("FINISHED")
    sweep.close()
    report = shipper.finish(300)
    assert [(run.status, run.outcome) for run in report.runs] == [("FINISHED", "sent")] * 2
    run = client.get_run(Position.load(folder).run_id)
    assert (run.info.status, "failure.reason" in run.data.tags) == ("FINISHED", False)
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 30


@pytest.mark.long
def test_an_unusable_store_is_told_once_and_a_later_sync_delivers(outputs, begin, write):
    shipper = Shipper(outputs / "a")
    write(begin("a", uri="file:///tmp/nowhere"))
    report = shipper.finish(300)
    assert report.left > 30
    assert "sqlite:///" in report.error
    assert (outputs / "a" / "shipper.log").read_text().count("not a store") == 1
    assert send_unsent([], store_folder=outputs, uri=f"sqlite:///{outputs}/mlflow.db").summary() == "sent 1 run"


@pytest.mark.long
def test_a_wait_that_is_too_short_ends_the_shipper_and_leaves_the_journal(outputs, begin, write):
    shipper = Shipper(outputs / "a")
    write(begin("a", uri="http://127.0.0.1:9"))
    report = shipper.finish(4.0)
    assert report.timed_out
    assert report.left > 30
    assert report.error
    assert "127.0.0.1:9" in report.error or "took too long" in report.error
    assert send_unsent([], store_folder=outputs, uri=f"sqlite:///{outputs}/mlflow.db").summary() == "sent 1 run"


def test_a_shipper_that_is_stopped_before_its_first_look_tells_all_that_is_left(outputs, begin, write, tmp_path):
    write(begin("a"))
    reading, writing = os.pipe()
    watch = Watch(outputs / "a", 60, reading)
    watch.stop()  # while it loads MLflow
    report = watch.run()
    assert report.left > 30
    assert f"{outputs}/mlflow.db: too slow" in report.error
    os.close(reading)
    os.close(writing)


def test_where_models_can_not_be_made_the_run_is_sent(outputs, begin, write, monkeypatch, caplog):
    reading, writing = os.pipe()

    def broken():
        os.close(writing)  # its parent is gone, and has written all
        raise ImportError("numpy.dtype size changed")

    monkeypatch.setattr("mnist_trainer.shipping.packed_model.warm_up_packing", broken)
    write(begin("a"))
    report = Watch(outputs / "a", 60, reading).run()
    os.close(reading)
    assert (report.left, report.error) == (0, None)
    assert "models can't be made: ImportError: numpy.dtype size changed" in caplog.text


@pytest.mark.long
def test_eight_runs_at_once_into_a_new_store_lose_nothing(outputs, start_writer, client):
    root = outputs / "new"
    writers = [start_writer(root / str(index), root, "ends") for index in range(8)]
    reports = [json.loads(writer.communicate()[0].splitlines()[1]) for writer in writers]
    assert [(report["left"], report["error"]) for report in reports] == [(0, None)] * 8
    client = type(client)(f"sqlite:///{root / 'mlflow.db'}")
    runs = client.search_runs([reports[0]["runs"][0]["experiment_id"]])
    assert [run.info.status for run in runs] == ["FINISHED"] * 8
    assert all(len(client.get_metric_history(run.info.run_id, "learning_rate")) == 500 for run in runs)


@pytest.mark.parametrize("python", ["/nowhere/python"])
def test_a_shipper_that_can_not_start_is_told(tmp_path, python):
    with pytest.raises(Exception, match="can't be started"):
        Shipper(tmp_path, python=python)


def test_without_a_shipper_a_run_is_whole_and_told_how_to_be_sent(command, monkeypatch):
    def refused(*args, **kwargs):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refused)
    done = command("data=digits", "model.hidden=[8]", "epochs=1")
    assert done.code == 0
    assert "can't be started: Resource temporarily unavailable; training goes on" in done.output
    assert f"task=sync journal={done.run.relative_to(done.folder)}" in done.output
    assert (done.run / "outcome.json").exists()
