import contextlib
import math
import sqlite3

import pytest

from mnist_trainer.journal import unsent
from mnist_trainer.shipping.delivery import delivery_of
from mnist_trainer.shipping.sync import send_unsent


def test_everything_arrives_once(outputs, begin, write, client, rows):
    journal = begin("a")
    write(journal, steps=600)  # more than one batch, and more than one chunk of the journal
    report = send_unsent([], store_folder=outputs)
    assert (report.summary(), report.left, report.error) == ("sent 1 run", 0, None)
    run = client.get_run(report.runs[0].run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run a")
    assert run.data.params == {
        "loss.name": "fused",
        "seed": "0",
        "model.hidden": "[512, 512]",
        "none": "None",
    }
    assert run.data.tags["loss.exact"] == "true"
    assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["mnist"]
    losses = rows("select step, value from metrics where key = 'train/loss' order by step")
    assert losses == [(step, 2.3 / step) for step in range(1, 601)]
    assert rows("select is_nan from metrics where key = 'validation/loss'") == [(1,)]
    assert run.data.metrics["gradient_norm"] > 1e308
    assert math.isnan(run.data.metrics["validation/loss"])
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert artifacts == {"journal.jsonl", "learning_curves.png", "confusion_matrix.png", "checkpoints"}
    assert run.info.artifact_uri.startswith((outputs / "mlartifacts" / "mnist").as_uri())
    assert unsent.listed(outputs) == {}


def test_files_that_their_store_refuses_leave_the_run_ended_and_are_sent_later(outputs, begin, write, client):
    write(begin("a"), steps=10)
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*args):
            raise RuntimeError("An error occurred (AccessDenied) when calling the PutObject operation")

        patch.setattr(type(client), "log_artifact", refuse)
        report = send_unsent([], store_folder=outputs)
    assert report.left == 0
    assert report.problem().startswith("not all is sent: ")
    assert "not stored, all else of the run is: An error occurred (AccessDenied)" in report.problem()
    assert client.get_run(report.runs[0].run_id).info.status == report.runs[0].status == "FINISHED"
    assert len(unsent.listed(outputs)) == 1
    assert send_unsent([], store_folder=outputs).summary() == "sent 1 run"
    assert "journal.jsonl" in {item.path for item in client.list_artifacts(report.runs[0].run_id)}


@pytest.mark.long
def test_a_store_that_was_emptied_meanwhile_gets_everything_anew(outputs, begin, write, client, rows):
    journal = begin("a")
    journal.metrics(0, {"train/loss": 2.5})
    delivery = delivery_of(outputs / "a")
    while delivery.pump():
        pass
    with contextlib.closing(sqlite3.connect(outputs / "mlflow.db")) as database:
        for table in ("metrics", "latest_metrics", "tags", "runs"):
            database.execute(f"delete from {table}")
        database.commit()
    write(journal, steps=10)
    while delivery.pump():
        pass
    delivery.release()
    assert (delivery.outcome, delivery.left()) == ("sent", 0)
    assert client.get_run(delivery.position.run_id).info.status == "FINISHED"
    assert rows("select count(*) from metrics where key = 'train/loss'") == [(11,)]


def test_a_sweep_has_its_runs_below_it_and_a_picture_of_its_modes(outputs, begin, client):
    sweep = begin("sweep", kind="sweep", run="5" * 32)
    for mode in ("fused", "separate"):
        child = begin(f"sweep/{mode}", parent="5" * 32)
        child.params({"loss.name": mode, "seed": 0})
        child.metrics(1, {"train/loss": 1.0})
        child.end("FINISHED")
        child.close()
    sweep.end("FINISHED")
    sweep.close()
    # Naming one run of it only, the sweep comes along.
    report = send_unsent([outputs / "sweep" / "separate"], store_folder=outputs)
    assert report.summary() == "sent 2 runs"
    report = send_unsent([outputs], store_folder=outputs)
    assert report.summary() == "sent 1 run, 2 sent before"
    parent = next(run.run_id for run in report.runs if run.folder.endswith("sweep"))
    children = client.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len(children) == 2
    assert "loss_modes.png" in [item.path for item in client.list_artifacts(parent)]


def test_a_run_of_the_default_store_goes_there_whatever_a_later_command_s_environment_names(
    outputs, begin, write, rows, monkeypatch
):
    write(begin("a"), steps=1)  # no shipper ever connected
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    report = send_unsent([], store_folder=outputs)
    assert (report.summary(), report.error) == ("sent 1 run", None)
    assert rows("select count(*) from runs") == [(1,)]


def test_a_comparison_comes_before_its_runs_in_whatever_order_they_are_named(outputs, begin, write, client):
    child = begin("compare/0-fused", parent="b" * 32)
    parent = begin("compare", run="b" * 32, kind="comparison")
    write(child)
    write(parent)
    report = send_unsent([child.path, parent.path], store_folder=outputs)
    assert report.summary() == "sent 2 runs"
    first, second = report.runs
    assert first.folder == str(parent.folder)
    assert client.get_run(second.run_id).data.tags["mlflow.parentRunId"] == first.run_id
