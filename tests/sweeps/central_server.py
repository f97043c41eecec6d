"""A central MLflow server on PostgreSQL, which takes artifacts and hands them out; skips where it can't be had."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.sweeps.ray_cluster import free_port

DEBIAN = "/usr/lib/postgresql/*/bin"
SECONDS = 300.0


def postgres(name):
    """Where a program of PostgreSQL's is; Debian has them in no folder of PATH."""
    found = shutil.which(name) or next((str(path) for path in sorted(Path("/").glob(f"{DEBIAN[1:]}/{name}"))), None)
    return found or pytest.skip(f"PostgreSQL is not installed: there is no {name}")


def as_nobody(folder):
    """What lets a command run as somebody else than root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL refuses root, and setpriv is not there to be somebody else")
    shutil.chown(folder, "nobody")
    return ["setpriv", "--reuid=nobody", "--clear-groups"]


def wait(ready, process, what):
    until = time.monotonic() + SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"{what} did not start")
        time.sleep(0.1)


@contextmanager
def database():
    """Run PostgreSQL, and give the URI of a database without a password."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    import psycopg

    initdb, server = postgres("initdb"), postgres("postgres")
    folder, port = Path(tempfile.mkdtemp(prefix="postgres", dir="/tmp")), free_port()
    who = as_nobody(folder)
    uri = f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    try:
        made = [*who, initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "mlflow"]
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        command = [*who, server, "-D", str(folder / "data"), "-p", str(port), "-k", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        try:

            def answers():
                with suppress(psycopg.OperationalError), psycopg.connect(uri):
                    return True
                return False

            wait(answers, process, "PostgreSQL")
            yield uri
        finally:
            process.send_signal(signal.SIGINT)  # without waiting for those who are connected
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """An MLflow server that can be stopped and started again."""

    def __init__(self, folder, database, workers):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        store = database.replace("postgresql://", "postgresql+psycopg://")
        arguments = ["--backend-store-uri", store, "--artifacts-destination", "artifacts", "--serve-artifacts"]
        self.command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *arguments,
            "--workers",
            str(workers),
            "--port",
            str(self.port),
        ]
        self.process = None

    def start(self):
        with (self.folder / "server.log").open("a") as log:
            streams = {"stdout": log, "stderr": log, "start_new_session": True}
            without_jobs = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else 13 processes more
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=without_jobs, **streams)
        wait(self.is_up, self.process, "the MLflow server")

    def is_up(self):
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=10) as answer:
            return answer.status == 200
        return False

    def stop(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def central_server(folder, workers=1):
    """Run a server on a database of its own; gives both, the database by its URI."""
    folder.mkdir()
    with database() as uri:
        server = Server(folder, uri, workers)
        server.start()
        try:
            yield server, uri
        finally:
            server.stop()
