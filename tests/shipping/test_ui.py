"""The command that is printed opens MLflow's UI, and the run is in it."""

import contextlib
import json
import shlex
import socket
import sys
import urllib.error
import urllib.request

import pytest

from mnist_trainer.shipping.pages import curves_page, run_page, runs_page
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.shipper import mlflow_ui_command
from mnist_trainer.shipping.sync import send_unsent
from tests.browser import BROWSERS, browsing, installed
from tests.fixtures.journals import until


@pytest.fixture
def served(outputs, begin, start, tmp_path):
    """The address of the UI that the printed command opens, with one run in its store."""
    journal = begin("a")
    journal.params({"seed": 7654})
    journal.tags({"loss.mode": "separate"})
    journal.metrics(1, {"train/loss": 2.3})
    journal.metrics(2, {"test/accuracy": 0.8765, "test/loss": 0.4321})
    journal.end("FINISHED")
    journal.close()
    assert send_unsent([outputs / "a"], store_folder=outputs).error is None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*shlex.split(mlflow_ui_command(None, outputs)), "--port", str(port)]
    with (tmp_path / "ui.log").open("wb") as log:
        start(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    return f"http://127.0.0.1:{port}"


def fetch(address, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return answer.read()


@pytest.mark.long
def test_the_printed_command_opens_the_ui_with_the_run(served):
    page = until(lambda: answered(served))
    assert b"<title>MLflow" in page
    found = json.loads(fetch(f"{served}/api/2.0/mlflow/experiments/search", {"max_results": 10}))
    ids = {experiment["name"]: experiment["experiment_id"] for experiment in found["experiments"]}
    runs = json.loads(fetch(f"{served}/api/2.0/mlflow/runs/search", {"experiment_ids": [ids["mnist"]]}))["runs"]
    assert [run["info"]["run_name"] for run in runs] == ["run a"]
    assert {metric["key"] for metric in runs[0]["data"]["metrics"]} == {"train/loss", "test/accuracy", "test/loss"}


@pytest.mark.long
@pytest.mark.skipif(installed() is None, reason=f"none of {', '.join(BROWSERS)} is in the PATH")
def test_in_a_browser_the_printed_links_show_the_figures_and_what_came_of_a_run(served, outputs):
    """The UI's format for the columns is undocumented: another version may want another."""
    until(lambda: answered(served))
    position = Position.load(outputs / "a")
    with browsing(installed()) as browser:
        browser.open(f"{served}/{runs_page('1')}")
        browser.wait_for("run a", "test/accuracy", "0.8765", "test/loss", "0.4321", "loss.mode", "separate", "7654")
        browser.open(f"{served}/{run_page('1', position.run_id)}")
        browser.wait_for("Test accuracy 87.65%, loss 0.4321")
        browser.open(f"{served}/{curves_page('1')}")
        lines = browser.wait_for("train/loss", "Step").splitlines()
        assert lines.index("train") < lines.index("test")  # which MLflow itself has first


def answered(address):
    with contextlib.suppress(urllib.error.URLError):
        return fetch(address)


def test_the_command_for_the_interface(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(mlflow_ui_command(None, tmp_path / "my outputs"))
    assert words[:2] == ["env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"]
    assert words[3:] == [
        "-m",
        "mlflow",
        "ui",
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/my outputs/mlflow.db",
        "--workers",
        "1",
    ]
    assert mlflow_ui_command("http://server:5000", tmp_path) == "http://server:5000"


@pytest.mark.parametrize(
    ("python", "shown"),
    [
        ("/elsewhere/bin/python", "/elsewhere/bin/python"),
        (".venv/bin/python", ".venv/bin/python"),
        ("python", "./python"),  # the bare word would be another, from the PATH
    ],
)
def test_the_python_of_a_command_is_named_from_here_where_it_lies_below(tmp_path, monkeypatch, python, shown):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / python))
    assert shlex.split(mlflow_ui_command(None, tmp_path))[2] == shown
