"""A real `mlflow server`, a proxy before it that fails in many ways, and runs beside them."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mnist_trainer.journal.callback import JournalCallback
from tests.fixtures.journals import until

TINY = ("data=digits", "model.hidden=[4]", "trainer.log_every=1", "trainer.progress=false", "epochs=2")


class Server:
    """A `mlflow server` over a SQLite store in a folder, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self):
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers)

    def kill(self):
        """Kill it and its worker outright."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self):
        assert self._process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return self.request("GET", "/health", b"", {})[0] == 200
        except OSError:
            return False

    def request(self, method, path, body, headers):
        """Return the answer to a request: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a server, as long as `fails` is None.

    Else: a number is a status to answer with; `hang` is never to answer. With an `authorization`, requests without it
    are refused. Of each kind of request in `to_drop` one is
    handed on, and its answer dropped. The first one of a kind in `late` is handed on after the
    second one, and never answered.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, server, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.behind = server
        self.fails = None
        self.to_drop = set()
        self.late = set()
        self.overtaken, self.late_done = threading.Event(), threading.Event()
        self.delay = 0.0
        self.authorization = None
        self.asked = []
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def uri(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        """End it, and the requests that hang."""
        self.ended.set()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def handle_one(self):
        proxy = self.server
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = f"{self.command} {self.path.partition('?')[0].partition('mlflow/')[2] or 'artifact'}"
        proxy.asked.append(kind)
        if proxy.fails == "hang":
            proxy.ended.wait()
            self.close_connection = True
        elif isinstance(proxy.fails, int):
            self.answer(proxy.fails, [("Retry-After", "100")], b"<html>not now</html>")
        elif kind in proxy.late and not proxy.overtaken.is_set():
            if proxy.asked.count(kind) == 1:
                proxy.overtaken.wait()
                self.hand_on()
                proxy.late_done.set()
                self.close_connection = True
            else:
                answer = self.hand_on()
                proxy.overtaken.set()
                proxy.late_done.wait()
                self.answer(*answer)
        elif proxy.authorization not in (None, self.headers["Authorization"]):
            self.answer(401, [("WWW-Authenticate", "Basic")], b"You are not authenticated.")
        else:
            time.sleep(proxy.delay)
            answer = self.hand_on()
            if answer is None or kind in proxy.to_drop:
                proxy.to_drop.discard(kind)
                self.close_connection = True
            else:
                self.answer(*answer)

    def hand_on(self):
        """Return the server's answer; None if it is dead."""
        try:
            return self.server.behind.request(self.command, self.path, self.body, dict(self.headers))
        except OSError:
            return None

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def server(empty_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "mlflow.db")
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def tiny():
    return TINY


@pytest.fixture
def proxy(server):
    proxy = Proxy(server)
    yield proxy
    proxy.close()


@pytest.fixture
def deaf():
    """A proxy that never answers, without a server behind it."""
    proxy = Proxy(None)
    proxy.fails = "hang"
    yield proxy
    proxy.close()


@pytest.fixture
def train(command, monkeypatch):
    """Run the command on a tiny network; `at_epoch` is called in the training loop, after each epoch's record."""

    record = JournalCallback.on_epoch

    def run(*arguments, at_epoch=lambda epoch: None):
        def on_epoch(callback, epoch):
            record(callback, epoch)
            at_epoch(epoch.epoch)

        monkeypatch.setattr(JournalCallback, "on_epoch", on_epoch)
        return command(*TINY, *arguments)

    return run


@pytest.fixture
def assert_all_is_there(events_of):
    """Fail unless the store at `uri` has one run of the folder's journal, and all that the journal tells, once."""

    def check(folder, uri):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(uri)
        events = events_of(folder)
        experiment = client.get_experiment_by_name(events[0]["experiment"])
        (run,) = client.search_runs([experiment.experiment_id], f"tags.`mnist_trainer.run` = '{events[0]['run']}'")
        assert (run.info.status, run.info.run_name) == ("FINISHED", events[0]["name"])
        assert (run.info.start_time, run.info.end_time) == (events[0]["start_time"], events[-1]["time"])
        told = {}
        for event in events:
            for name, value in event.get("metrics", {}).items():
                told.setdefault(name, []).append((event["step"], event["time"], value))
        assert set(run.data.metrics) == set(told)
        for name, points in told.items():
            history = client.get_metric_history(run.info.run_id, name)
            assert sorted((point.step, point.timestamp, point.value) for point in history) == sorted(points)
        params = {key: str(value) for event in events for key, value in event.get("params", {}).items()}
        assert run.data.params == params
        tags = {key: value for event in events for key, value in event.get("tags", {}).items()}
        assert run.data.tags.items() >= tags.items()
        assert len(run.inputs.dataset_inputs) == len([event for event in events if event["event"] == "dataset"])
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        wanted = {event["name"] for event in events if event["event"] == "artifact"}
        assert names == wanted | {"journal.jsonl", "learning_curves.png", "confusion_matrix.png"}

    return check
