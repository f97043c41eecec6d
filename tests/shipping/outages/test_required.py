"""tracking.required=true: nothing begins before the store takes what it is sent."""

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

REQUIRED = "tracking.required=true"


@pytest.mark.parametrize("sweep", [(), ("--multirun", "seed=0,1")], ids=["run", "sweep"])
def test_a_store_that_is_down_ends_the_command_before_anything_is_written(train, deaf, sweep):
    deaf.close()
    done = train(f"tracking.uri={deaf.uri}", REQUIRED, "tracking.wait_seconds=3", *sweep)
    assert done.code == 2
    *_, first, last = done.output.strip().splitlines()
    assert first.startswith(f"mnist_trainer: {deaf.uri}: ")
    assert "tracking.required: nothing begins before the store answers, within tracking.wait_seconds=3" in last
    assert "Traceback" not in done.output
    assert [path for path in done.folder.rglob("*") if path.is_file()] == []


def test_one_that_hangs_does_too(train, deaf):
    done = train(f"tracking.uri={deaf.uri}", REQUIRED, "tracking.wait_seconds=4")
    assert done.code == 2
    assert f"{deaf.uri}: no answer within 4 s" in done.output
    assert done.folders == []


def test_one_that_can_not_be_written_is_told_at_once(train, tmp_path):
    (tmp_path / "notes.db").write_text("not a database, but long enough to be taken for one" * 30)
    done = train(f"tracking.uri=sqlite:///{tmp_path}/notes.db", REQUIRED, "tracking.wait_seconds=500")
    assert done.code == 2
    assert "notes.db: file is not a database" in done.output


def test_one_that_answers_gets_the_run(train, proxy, assert_all_is_there):
    done = train(f"tracking.uri={proxy.uri}", REQUIRED, "tracking.wait_seconds=100")
    assert done.code == 0
    # whether it takes what it is sent
    assert proxy.asked.index("POST experiments/set-experiment-tag") < proxy.asked.index("POST runs/create")
    assert_all_is_there(done.run, proxy.uri)


def test_a_run_to_be_resumed_stays_as_it_is(train, deaf):
    def interrupt(epoch):
        raise KeyboardInterrupt

    run = train("tracking=off", at_epoch=interrupt).run
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    deaf.close()
    done = train(f"resume={run}", "tracking=mlflow", f"tracking.uri={deaf.uri}", REQUIRED, "tracking.wait_seconds=3")
    assert (done.code, "tracking.required: nothing begins" in done.output) == (2, True), done.output
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}.items() >= before.items()


def test_with_tracking_off_it_is_a_contradiction(train):
    done = train("tracking=off", REQUIRED)
    assert done.code == 2
    assert "tracking.required=true with tracking=off" in done.output
    assert done.folders == []
