"""The links that a command prints, at its end and after an interruption."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from mnist_trainer.config import TrackingConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.runs.tracked import LEFT, LOCAL, SEVERAL, Tracked, log_shipment, log_still_sending
from mnist_trainer.shipping.place import Place
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.shipment import Shipment, ShippedRun
from mnist_trainer.tasks.train import telling_how_to_go_on
from mnist_trainer.training.interruption import Interrupted


def tracked_by(folder, **changes):
    config = {"name": "mlflow", "uri": None, "wait_seconds": 1.0, "required": False, "model": False}
    return Tracked(TrackingConfig(**config | {"experiment": None, "description": None, "tags": {}} | changes), folder)


@pytest.fixture
def told(tmp_path, monkeypatch, caplog):
    """What is logged of a run and its children, in a store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)

    def lines(uri, kind, *, unsent=False):
        tracked = tracked_by(tmp_path, uri=uri)
        runs = [ShippedRun(name, f"id-{name}", "4", tracked.uri, "FINISHED", "sent") for name in ("a", "b", "c")]
        caplog.clear()
        if unsent:
            log_still_sending(tracked, tmp_path, kind)
        else:
            log_shipment(Shipment(tuple(runs)), tracked, tmp_path, kind)
        return [message.strip() for message in caplog.messages]

    return lines


TABLE = "#/experiments/4/runs?viewStateShareKey=mnist_trainer&workflowType=machine_learning"
RUN = "#/experiments/4/runs/id-a?workflowType=machine_learning"


@pytest.mark.parametrize("kind", ["run", "sweep"])
@pytest.mark.parametrize(
    ("uri", "address"), [(None, LOCAL), ("https://mlflow.example/at/", "https://mlflow.example/at")]
)
def test_the_links_lead_to_the_run_and_the_table_with_a_server_s_address_too(told, kind, uri, address):
    lines = told(uri, kind)
    assert f"{address}/{RUN}" in lines
    assert f"{address}/{TABLE}" in lines


def test_a_comparison_s_links_lead_to_its_verdict_and_to_its_modes_curves(told):
    lines = told(None, "comparison")
    assert f"{LOCAL}/{RUN}" in lines
    (curves,) = [line for line in lines if "compare-runs" in line]
    assert "%22id-b%22" in curves
    assert "%22id-c%22" in curves
    assert "id-a" not in curves


def test_databricks_has_pages_of_its_own(told):
    assert not any("#/" in line for line in told("databricks://profile", "run"))


def test_after_an_interruption_the_run_s_link_is_told_once_mlflow_has_the_run(told, tmp_path):
    (line,) = told(None, "run", unsent=True)
    assert "still being sent to" in line
    Position("a", "sqlite:///x.db", "4", "id-a").save(tmp_path)
    lines = told(None, "run", unsent=True)
    assert "id-a is still being sent to" in lines[0]
    assert f"{LOCAL}/{RUN}" in lines


@pytest.mark.parametrize("begun", [True, False])
def test_after_an_interruption_the_command_that_goes_on_is_told(tmp_path, monkeypatch, caplog, begun):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    if begun:
        Path("journal.jsonl").write_text("")
    with pytest.raises(Interrupted), telling_how_to_go_on(tmp_path):
        raise Interrupted(2)
    assert any("resume=" in line for line in caplog.messages) == begun


def test_an_experiment_is_that_of_the_key_else_of_the_environment_else_the_data_s(tmp_path, monkeypatch):
    """None of this needs a store's answer."""
    assert tracked_by(tmp_path).place("digits") == Place("digits")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")
    assert tracked_by(tmp_path).place("digits") == Place("theirs")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    assert tracked_by(tmp_path, experiment="mine").place("digits") == Place("mine")
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    assert tracked_by(tmp_path, name="off").place("digits") == Place("theirs")  # nothing is sent
    assert tracked_by(tmp_path).place("digits", parent="5" * 32) == Place("theirs")  # it is the parent's


def test_a_job_goes_where_its_sweep_is_but_for_one_over_data_sets_that_names_none(tmp_path):
    start = tracked_by(tmp_path).record("sweep", place=Place("theirs"), name="sweep", parent=None)
    config = tracked_by(tmp_path).config
    assert Tracked.as_before(config, str(tmp_path), start).place("digits", parent=start.run) == Place("theirs")
    several = replace(start, experiment=SEVERAL)
    assert Tracked.as_before(config, str(tmp_path), several).place("digits", parent=start.run) == Place("digits")


def test_what_goes_on_is_the_run_that_it_was(tmp_path, monkeypatch):
    start = tracked_by(tmp_path).record("run", place=Place("theirs", "abc"), name="a", parent=None)
    assert tracked_by(tmp_path).place_of(start) == Place("theirs", "abc")
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    assert tracked_by(tmp_path).place_of(start) == Place("theirs", "abc")
    monkeypatch.setenv("MLFLOW_RUN_ID", "def")
    with pytest.raises(ConfigError, match=r"MLFLOW_RUN_ID=def: .* unset MLFLOW_RUN_ID"):
        tracked_by(tmp_path).place_of(start)
    assert tracked_by(tmp_path).place_of(start, parent="5" * 32) == Place("theirs", "abc")  # a job of theirs


def test_a_run_that_who_has_opened_it_ends_is_told_to_run_for_now(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    shipment = Shipment((ShippedRun("a", "id-a", "4", "http://server", "RUNNING", "sent"),))
    log_shipment(shipment, tracked_by(tmp_path, uri="http://server"), tmp_path, "run")
    assert f"MLflow: run id-a is RUNNING for now, {LEFT}; to look at it:" in caplog.messages
