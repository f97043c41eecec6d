"""A tracking server that is down, dies, hangs, fails or is slow: training goes on, and all arrives once."""

import pytest

from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.sync import send_unsent
from tests.fixtures.journals import until

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture
def sync_all(tmp_path):
    return lambda: send_unsent([], store_folder=tmp_path / "outputs")


@pytest.fixture
def assert_kept(events_of):
    """Fail unless training came to its end, and the command told how to send what is left."""

    def check(done):
        assert done.code == 0, done.output
        assert events_of(done.run)[-1]["status"] == "FINISHED"
        assert "events are not sent" in done.output
        assert f"task=sync journal={done.run.relative_to(done.folder)}" in done.output
        assert "Traceback" not in done.output

    return check


def test_down_at_the_start_and_there_later(server, proxy, train, tmp_path, sync_all, assert_kept, assert_all_is_there):
    uri = proxy.uri
    proxy.close()
    done = train(
        f"tracking.uri={uri}",
        "tracking.wait_seconds=0.5",
        at_epoch=lambda epoch: until(lambda: "refused" in next(tmp_path.rglob("shipper.log")).read_text()),
    )
    assert_kept(done)
    assert f"{uri}: Connection refused" in done.output
    assert sync_all().summary() == "sent 0 runs, 1 not sent"
    again = type(proxy)(server, proxy.server_port)
    try:
        assert sync_all().summary() == "sent 1 run"
        assert_all_is_there(done.run, uri)
        assert sync_all().runs == ()
    finally:
        again.close()


def test_failing_from_start_to_end(proxy, train, sync_all, assert_kept, assert_all_is_there, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    proxy.fails = "hang"

    def at_epoch(epoch):
        asked = len(proxy.asked)
        until(lambda: len(proxy.asked) > asked)
        proxy.fails = 500 if epoch == 1 else "hang"

    # Not one answer comes before the command has ended
    done = train(f"tracking.uri={proxy.uri}", "tracking.wait_seconds=0.5", at_epoch=at_epoch)
    assert_kept(done)
    assert f"{proxy.uri}: " in done.output
    proxy.fails = None
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    assert sync_all().summary() == "sent 1 run"
    assert_all_is_there(done.run, proxy.uri)


def test_slow_then_hanging_then_failing_then_well_again(proxy, train, assert_all_is_there, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    proxy.delay = 0.05

    def at_epoch(epoch):
        if epoch == 1:
            until(lambda: "POST runs/log-batch" in proxy.asked)
        asked = len(proxy.asked)
        proxy.fails = ("hang", 503, None)[epoch - 1]
        if epoch < 3:
            until(lambda: len(proxy.asked) > asked)

    done = train(f"tracking.uri={proxy.uri}", "tracking.wait_seconds=100", "epochs=3", at_epoch=at_epoch)
    assert done.code == 0
    assert "is FINISHED" in done.output
    assert "not sent" not in done.output
    assert_all_is_there(done.run, proxy.uri)


def test_killed_half_way_and_started_again(server, train, tmp_path, assert_all_is_there):
    def at_epoch(epoch):
        if epoch == 1:
            (folder,) = tmp_path.glob("outputs/[0-9]*/*")
            until(lambda: (position := Position.load(folder)) is not None and position.offset)
            server.kill()
        else:
            server.start()

    done = train(f"tracking.uri=http://127.0.0.1:{server.port}", "tracking.wait_seconds=100", at_epoch=at_epoch)
    assert done.code == 0
    assert "not sent" not in done.output
    assert_all_is_there(done.run, f"http://127.0.0.1:{server.port}")


def test_whichever_answer_is_lost_nothing_is_twice(proxy, train, sync_all, assert_all_is_there):
    proxy.fails = 500
    done = train(f"tracking.uri={proxy.uri}", "tracking.wait_seconds=0")
    proxy.fails = None
    changing = ("runs/create", "runs/log-batch", "runs/log-inputs", "runs/update", "runs/set-tag", "artifact")
    proxy.to_drop = {f"{method} {kind}" for kind in changing for method in ("POST", "PUT")}
    outcomes = [sync_all().summary() for _ in range(2 + len(proxy.to_drop))]
    assert outcomes.count("sent 1 run") == 1, outcomes
    assert outcomes[-1] == "sent 0 runs"
    assert_all_is_there(done.run, proxy.uri)


def test_a_run_that_the_server_makes_too_late_is_no_second_one(
    proxy, train, sync_all, assert_all_is_there, monkeypatch
):
    proxy.fails = 500
    done = train(f"tracking.uri={proxy.uri}", "tracking.wait_seconds=0")
    proxy.fails, proxy.late = None, {"POST runs/create"}
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    while "POST runs/create" not in proxy.asked:  # on a busy machine what comes before takes too long, too
        assert sync_all().summary() == "sent 0 runs, 1 not sent"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    report = sync_all()
    assert (report.summary(), report.error) == ("sent 1 run", None)
    assert proxy.late_done.is_set()
    assert_all_is_there(done.run, proxy.uri)
