"""A password in the store's URI: the store gets it, and nothing that is written, shown or sent has it."""

import base64

import pytest

from mnist_trainer.credentials import STORES
from mnist_trainer.shipping.sync import send_unsent

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SECRET = "open-sesame"


@pytest.fixture
def uri(proxy):
    """The URI, with a password, of a server that wants one."""
    proxy.authorization = f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}"
    return proxy.uri.replace("://", f"://me:{SECRET}@")


@pytest.fixture
def assert_nowhere(server):
    def check(done, but=()):
        assert SECRET not in done.output
        files = [path for folder in (done.folder, server.folder) for path in folder.rglob("*") if path.is_file()]
        assert len(files) > 10
        assert [path for path in files if SECRET.encode() in content_of(path) and path not in but] == []

    return check


def content_of(path):
    """Return what a file holds; nothing of one that is gone by now, as SQLite's journals are."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def test_of_a_run_that_is_resumed(train, uri, assert_nowhere, assert_all_is_there):
    def interrupt(epoch):
        raise KeyboardInterrupt

    done = train(f"tracking.uri={uri}", "tracking.wait_seconds=100", at_epoch=interrupt)  # params can't change
    assert done.code == 130
    again = train(f"resume={done.run}", f"tracking.uri={uri}", "tracking.wait_seconds=100")
    assert again.code == 0, again.output
    assert "is FINISHED" in again.output
    assert_all_is_there(done.run, uri)
    assert_nowhere(done)


@pytest.mark.parametrize("given", ["on the command line", "in a file"])
def test_of_a_sweep(train, deaf, tmp_path, assert_nowhere, given):
    uri = f"http://me:{SECRET}@127.0.0.1:{deaf.server_port}"
    own = tmp_path / "own" / "tracking" / "mine.yaml"
    if given == "in a file":
        own.parent.mkdir(parents=True)
        own.write_text(f"defaults: [mlflow]\nuri: {uri}\n")
        store = ["--config-dir", str(tmp_path / "own"), "tracking=mine"]
    else:
        store = [f"tracking.uri='{uri}'"]
    done = train("--multirun", "seed=0,1", "epochs=1", "tracking.wait_seconds=0", *store)
    assert done.code == 0, done.output
    assert "events are not sent: " in done.output
    assert_nowhere(done, but=[own])


def test_of_what_is_sent_later(train, proxy, uri, tmp_path, monkeypatch, assert_nowhere, assert_all_is_there):
    proxy.fails = 500
    done = train(f"tracking.uri={uri}", "tracking.wait_seconds=0")
    assert "to send them later, with MLFLOW_TRACKING_URI set:" in done.output
    assert_nowhere(done)
    proxy.fails = None
    monkeypatch.setenv(STORES, "")
    report = send_unsent([], store_folder=tmp_path / "outputs")
    assert "401" in report.error
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert send_unsent([], store_folder=tmp_path / "outputs").summary() == "sent 1 run"
    assert_all_is_there(done.run, uri)
    assert_nowhere(done)
