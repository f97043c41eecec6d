"""What a job may go on with on another host: a store in memory stands for MLflow's artifacts and metrics."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnist_trainer.errors import TrackingError
from mnist_trainer.journal.events import Metrics
from mnist_trainer.journal.reading import read_events
from mnist_trainer.runs.cutting import kept
from mnist_trainer.shipping import apart
from mnist_trainer.shipping.going_on import (
    CheckpointSender,
    fetch_state,
    fetch_told,
    listed,
    own_checkpoint_number,
    remove,
    send_state,
)
from mnist_trainer.training.checkpoint import Checkpoint


class Artifacts:
    """Files in a folder, by MLflow's calls."""

    def __init__(self, root):
        self.root, self.told, self.tags, self._tracking_client = root, {}, {}, self

    def log_artifact(self, run_id, path, folder=None):
        target = self.root / run_id / (folder or "")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)

    def list_artifacts(self, run_id, folder=""):
        base = self.root / run_id
        return [SimpleNamespace(path=str(path.relative_to(base))) for path in (base / folder).glob("*")]

    def download_artifacts(self, run_id, path, target):
        return shutil.copy(self.root / run_id / path, target)

    def _get_artifact_repo(self, run_id):
        return SimpleNamespace(delete_artifacts=lambda path: (self.root / run_id / path).unlink())

    def get_run(self, run_id):
        return SimpleNamespace(data=SimpleNamespace(metrics={key: 0.0 for key, *_ in self.told.get(run_id, [])}))

    def get_metric_history(self, run_id, name):
        return [SimpleNamespace(step=s, timestamp=t, value=v) for key, s, t, v in self.told[run_id] if key == name]

    def set_tag(self, run_id, key, value):
        self.tags[key] = value

    def get_experiment(self, experiment_id):
        return SimpleNamespace(artifact_location=experiment_id)


@pytest.fixture
def store(tmp_path):
    return SimpleNamespace(client=Artifacts(tmp_path / "artifacts"), uri="http://server")


@pytest.fixture
def at(tmp_path):
    """A job's folder whose checkpoint was taken when its journal had so many bytes; three more came since."""

    def make(name, size):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "journal.jsonl").write_bytes(b"x" * size + b"new")
        Checkpoint({"w": np.arange(size)}, {"journal": size}).save(folder)
        return folder

    return make


def test_another_host_gets_the_newest_checkpoint_and_the_journal_up_to_there(store, at, tmp_path):
    for size in (5, 70):
        send_state(at("one", size), store, "run")
    other = tmp_path / "other"
    other.mkdir()
    assert fetch_state(other, store, "run")
    assert (own_checkpoint_number(other), (other / "journal.jsonl").read_bytes()) == (70, b"x" * 70)
    assert len(listed(store, "run")) == 1  # those before are taken away
    remove(store, "run")
    assert listed(store, "run") == []


def test_a_host_that_has_as_new_a_checkpoint_keeps_its_own(store, at):
    send_state(at("one", 5), store, "run")
    other = at("other", 9)
    assert not fetch_state(other, store, "run")
    assert own_checkpoint_number(other) == 9


def test_one_that_was_cut_off_while_it_was_sent_is_passed_over_for_the_one_before(store, at, tmp_path):
    send_state(at("one", 5), store, "run")
    whole = store.client.root / "run" / listed(store, "run")[0]
    whole.with_name("000000000070.zip").write_bytes(whole.read_bytes()[:-100])
    other = tmp_path / "other"
    other.mkdir()
    assert fetch_state(other, store, "run")
    assert own_checkpoint_number(other) == 5


def test_a_checkpoint_that_is_not_whole_is_not_sent(store, at):
    folder = at("one", 5)
    (folder / "checkpoint.npz").write_bytes((folder / "checkpoint.npz").read_bytes()[:-20])
    send_state(folder, store, "run")
    assert listed(store, "run") == []


def test_a_checkpoint_is_sent_once_and_the_next_one_at_the_end_at_least(store, at):
    folder = at("one", 5)
    keeper = CheckpointSender(folder)
    keeper.keep(store, "run")
    keeper.keep(store, "run")
    assert [Path(each).stem for each in listed(store, "run")] == ["000000000005"]
    assert store.client.tags.keys() == {"mnist_trainer.alive"}
    at("one", 70)
    keeper.keep(store, "run", now=True)
    assert [Path(each).stem for each in listed(store, "run")] == ["000000000070"]


def test_metrics_that_mlflow_has_are_told_again_with_their_own_time(store, tmp_path):
    store.client.told["run"] = [
        ("train/loss", 5, 1000, 0.5),
        ("train/accuracy", 5, 1000, 0.25),
        ("train/loss", 9, 2000, 0.1),
    ]
    fetch_told(tmp_path, store, "run")
    found = list(kept(tmp_path).values())
    assert found == [
        Metrics(5, {"train/loss": 0.5, "train/accuracy": 0.25}, time=1000),
        Metrics(9, {"train/loss": 0.1}, time=2000),
    ]
    fetch_told(tmp_path, store, "run")  # once more, on a third host
    assert list(kept(tmp_path).values()) == found
    assert len(read_events(tmp_path / "journal.cut.jsonl")[0]) == 4


@pytest.mark.parametrize("place", ["/srv/mlruns/1", "file:///srv/mlruns/1"])
def test_a_server_whose_artifacts_lie_in_a_folder_does_not_serve(store, place):
    with pytest.raises(TrackingError, match=f"{place}.*--serve-artifacts"):
        apart.check_serves(store, place)


@pytest.mark.parametrize("place", ["mlflow-artifacts:/1", "s3://bucket/1"])
def test_a_server_whose_artifacts_all_hosts_reach_serves(store, place):
    apart.check_serves(store, place)


def made(store, status, *, job="0-mlp", **tags):
    info = SimpleNamespace(run_id="run", status=status, experiment_id="1")
    tags = {"mnist_trainer.run": "uuid", "mnist_trainer.job": job, **tags}
    return SimpleNamespace(info=info, data=SimpleNamespace(tags=tags, metrics={}))


def test_a_finished_job_comes_back_with_its_model_and_is_not_sent_again(store, tmp_path):
    for name, content in (("outcome.json", '{"status": "FINISHED"}'), ("journal.jsonl", "{}\n"), ("model.npz", "m")):
        (tmp_path / name).write_text(content)
        store.client.log_artifact("run", tmp_path / name)
    apart.bring_job(tmp_path, store, made(store, "FINISHED"))
    assert (tmp_path / "0-mlp" / "model.npz").read_text() == "m"
    assert '"done": true' in (tmp_path / "0-mlp" / "shipped.json").read_text()


@pytest.mark.parametrize(
    ("status", "tags", "outcome"),
    [
        ("FAILED", {"failure.reason": "diverged at step 3"}, ("FAILED", "diverged at step 3")),
        ("KILLED", {"failure.reason": "interrupted by SIGTERM"}, ("KILLED", "interrupted by SIGTERM")),
        ("FINISHED", {"pruned": "true", "pruned.reason": "pruned after epoch 1"}, ("PRUNED", "pruned after epoch 1")),
        ("FINISHED", {}, ("FAILED", "it is FINISHED in MLflow, without its files")),
    ],
)
def test_a_job_without_a_result_comes_back_with_its_reason(store, tmp_path, status, tags, outcome):
    apart.bring_job(tmp_path, store, made(store, status, **tags))
    told = apart.outcome_brought(tmp_path / "0-mlp")
    assert (told["status"], told["reason"]) == outcome


def test_a_job_of_a_name_that_leads_elsewhere_stays_in_the_sweeps_folder(store, tmp_path):
    (tmp_path / "sweep").mkdir()
    apart.bring_job(tmp_path / "sweep", store, made(store, "FAILED", job="../../elsewhere"))
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["elsewhere"]
