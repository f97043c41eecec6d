"""Where a run goes in a store: what MLflow's environment names is asked for; a run that is opened is logged into."""

from dataclasses import replace

import pytest

from mnist_trainer.errors import TrackingError
from mnist_trainer.journal.processes import began
from mnist_trainer.shipping import delivery
from mnist_trainer.shipping.place import Place, Question, place_in
from mnist_trainer.shipping.position import Position
from mnist_trainer.shipping.store import connect
from mnist_trainer.shipping.sync import send_unsent

DESCRIPTION = "mlflow.note.content"


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    """They take half a second a run."""
    monkeypatch.setattr(delivery, "draw_pictures", lambda folder: [])


@pytest.fixture
def opened(client, tmp_path):
    """Open a run, as `mlflow run` does."""

    def make(**tags):
        experiment = client.get_experiment_by_name("theirs")
        number = (
            experiment.experiment_id
            if experiment
            else client.create_experiment("theirs", (tmp_path / "theirs").as_uri())
        )
        return client.create_run(number, run_name="bold-cat-12", tags=tags).info.run_id

    return make


@pytest.fixture
def ask(outputs):
    def asked(**changes):
        question = Question("mnist", named=False, run_id=None, experiment_id=None, required=False)
        return place_in(connect(f"sqlite:///{outputs}/mlflow.db"), replace(question, **changes), outputs)

    return asked


def test_a_run_that_is_running_is_the_place_with_its_experiment_and_description(ask, opened):
    run_id = opened(**{DESCRIPTION: "theirs"})
    assert ask(run_id=run_id) == Place("theirs", run_id, "theirs")
    assert ask(run_id=run_id, experiment="theirs", named=True).into == run_id
    assert ask(run_id=opened(**{"mnist_trainer.run": "a"})).used


def test_a_run_of_another_state_is_none(ask, opened, client):
    ended, gone = opened(), opened()
    client.set_terminated(ended, "KILLED")
    client.delete_run(gone)
    for run_id, words in (
        (ended, "it is KILLED"),
        (gone, "it is deleted"),
        ("0" * 32, "no such run"),
        ("?", "no such"),
    ):
        with pytest.raises(TrackingError, match=words) as refused:
            ask(run_id=run_id)
        assert str(refused.value).startswith(f"MLFLOW_RUN_ID={run_id}: ")
        assert "unset MLFLOW_RUN_ID" in str(refused.value)
    with pytest.raises(TrackingError, match=r"in the experiment theirs, and tracking\.experiment=mine is another"):
        ask(run_id=opened(), experiment="mine", named=True)


def test_a_number_is_that_of_an_experiment(ask, opened, client):
    opened()
    number = client.get_experiment_by_name("theirs").experiment_id
    assert ask(experiment_id=number) == Place("theirs")
    assert ask(experiment_id=number, experiment="theirs", named=True) == Place("theirs")
    with pytest.raises(TrackingError, match=r"is the experiment theirs, and MLFLOW_EXPERIMENT_NAME=mine another"):
        ask(experiment_id=number, experiment="mine", named=True)
    for other in ("4711", "mnist"):
        with pytest.raises(TrackingError, match=f"MLFLOW_EXPERIMENT_ID={other}: .* has no such experiment"):
            ask(experiment_id=other)
    client.delete_experiment(number)
    for wanted in ({"experiment_id": number}, {"experiment": "theirs", "required": True}):
        with pytest.raises(TrackingError, match="its experiment theirs was deleted"):
            ask(**wanted)


def test_to_ask_makes_no_store(tmp_path):
    question = Question("mnist", named=False, run_id="0" * 32, experiment_id=None, required=False)
    with pytest.raises(TrackingError, match=r"MLFLOW_RUN_ID=0+: .*none\.db: there is no store"):
        question.check(f"sqlite:///{tmp_path}/none.db")


@pytest.mark.parametrize(
    ("opener", "before", "after"),
    [("lives", "RUNNING", "RUNNING"), ("gone", "RUNNING", "FINISHED"), ("gone", "FAILED", "FAILED")],
)
def test_a_run_that_was_opened_is_the_run_and_ends_by_who_opened_it(
    outputs, begin, write, client, rows, opened, opener, before, after
):
    run_id = opened()
    told = {"opener": 1, "opener_began": began(1)} if opener == "lives" else {}
    write(begin("a", into=run_id, experiment="theirs", **told), steps=3)
    if before != "RUNNING":
        client.set_terminated(run_id, before)
    (sent,) = send_unsent([], store_folder=outputs).runs
    assert (sent.run_id, sent.status, sent.outcome) == (run_id, after, "sent")
    run = client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == (after, "bold-cat-12")
    assert run.data.params["loss.name"] == "fused"
    assert rows("select count(*) from runs") == [(1,)]


def test_their_words_and_the_user_s_own_come_first_and_sent_twice_nothing_grows(outputs, begin, client, rows, opened):
    run_id = opened(**{DESCRIPTION: "For the paper."})
    journal = begin("a", into=run_id, experiment="theirs", description="For the paper.")
    journal.metrics(3, {"test/accuracy": 0.5, "test/loss": 1.0})
    journal.end("FINISHED")
    journal.close()
    tables = ("metrics", "tags", "params", "runs", "inputs")

    def seen():
        send_unsent([outputs], store_folder=outputs)
        note = client.get_run(run_id).data.tags[DESCRIPTION]
        return note, [sorted(map(repr, rows(f"select * from {table}"))) for table in tables]

    first = seen()
    assert first[0].startswith("For the paper.\n\n**Test accuracy 50.00%")
    (outputs / "a" / "shipped.json").unlink()
    assert seen() == first


def test_as_the_parent_it_has_a_sweep_s_jobs_below_it(outputs, begin, client, opened):
    run_id = opened()
    sweep = begin("sweep", kind="sweep", run="5" * 32, into=run_id, experiment="theirs", description="Mine.")
    child = begin("sweep/0", parent="5" * 32, experiment="theirs")
    child.end("FINISHED")
    child.close()
    sweep.tags({DESCRIPTION: "**Best by validation: lr=0.1**"})
    sweep.end("FINISHED")
    sweep.close()
    parent, job = send_unsent([], store_folder=outputs).runs
    assert parent.run_id == run_id
    assert client.get_run(job.run_id).data.tags["mlflow.parentRunId"] == run_id
    described = client.get_run(run_id).data.tags[DESCRIPTION]
    assert described.startswith("Mine.\n\n**Best by validation: lr=0.1**\n\n[All runs](#/experiments/")


def test_in_another_store_than_theirs_it_is_a_run_of_its_own(outputs, begin, write, client):
    write(begin("a", into="0" * 32))
    (sent,) = send_unsent([], store_folder=outputs).runs
    assert sent.run_id != "0" * 32
    assert client.get_run(sent.run_id).info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # MLflow's, of such stores
def test_a_store_of_files_that_the_environment_allows_has_everything_once(begin, write, outputs, tmp_path, monkeypatch):
    uri = (tmp_path / "ml runs").as_uri()
    write(begin("a", uri=uri), steps=30)
    report = send_unsent([], store_folder=outputs)
    assert report.summary() == "sent 0 runs, 1 not sent"
    assert "only with MLFLOW_ALLOW_FILE_STORE=true in the environment" in report.error
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (sent,) = send_unsent([], store_folder=outputs).runs
    client = connect(uri).client
    assert client.get_run(sent.run_id).info.status == "FINISHED"
    assert "journal.jsonl" in {item.path for item in client.list_artifacts(sent.run_id)}
    replace(Position.load(outputs / "a"), offset=0, done=False).save(outputs / "a")
    assert send_unsent([outputs], store_folder=outputs).summary() == "sent 1 run"
    assert len(client.get_metric_history(sent.run_id, "train/loss")) == 30
    assert len(client.get_metric_history(sent.run_id, "validation/loss")) == 1  # a NaN
