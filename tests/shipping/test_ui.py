"""The command that is printed opens MLflow's UI, and the run is in it."""

import json
import shlex
import socket
import time
import urllib.error
import urllib.request

import pytest

from mnist_trainer.shipping.shipper import ui_command
from mnist_trainer.shipping.sync import sync


@pytest.fixture
def served(outputs, begin, start, tmp_path):
    """The address of the UI that the printed command opens, with one run in its store."""
    journal = begin("a")
    journal.metrics(1, {"train/loss": 2.3})
    journal.end("FINISHED")
    journal.close()
    assert sync([outputs / "a"], store_folder=outputs).error is None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*shlex.split(ui_command(None, outputs)), "--port", str(port), "--workers", "1"]
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
    until = time.monotonic() + 300
    while True:
        try:
            page = fetch(served)
            break
        except urllib.error.URLError:
            assert time.monotonic() < until, "the UI never answered"
            time.sleep(0.3)
    assert b"<title>MLflow" in page
    found = json.loads(fetch(f"{served}/api/2.0/mlflow/experiments/search", {"max_results": 10}))
    ids = {experiment["name"]: experiment["experiment_id"] for experiment in found["experiments"]}
    runs = json.loads(fetch(f"{served}/api/2.0/mlflow/runs/search", {"experiment_ids": [ids["mnist"]]}))["runs"]
    assert [run["info"]["run_name"] for run in runs] == ["run a"]
    assert {metric["key"] for metric in runs[0]["data"]["metrics"]} == {"train/loss"}
