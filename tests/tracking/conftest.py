"""Journals, and real SQLite stores: one is made for the session, each test gets a copy of it."""

import contextlib
import shutil
import sqlite3
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist_trainer.tracking.journal import Journal, RunRecord
from mnist_trainer.tracking.locks import locked


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with MLflow's tables; making one takes 2 s."""
    shared = tmp_path_factory.getbasetemp() / "store"
    shared.mkdir(exist_ok=True)
    path = shared / "mlflow.db"
    with locked(shared / "lock", 60), warnings.catch_warnings():
        # MLflow's imports warn of their own dependencies' plans.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        from mnist_trainer.tracking.store import connect

        connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def outputs(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An outputs root with an empty store; the working directory is a folder that must stay empty."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "outputs"
    root.mkdir()
    shutil.copy(empty_store, root / "mlflow.db")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    yield root
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def client(outputs: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")


@pytest.fixture
def rows(outputs: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """What a query finds in the default store."""

    def query(sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(outputs / "mlflow.db")) as database:
            return database.execute(sql).fetchall()

    return query


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    """Begin the journal of a run in `outputs/<name>`."""
    journals = []

    def started(name: str, **changes: Any) -> Journal:
        root = tmp_path / "outputs"
        journal = Journal(root / name)
        journals.append(journal)
        record: dict[str, Any] = {
            "run": uuid.uuid4().hex,
            "kind": "run",
            "experiment": "mnist",
            "name": f"run {name}",
            "uri": None,
            "mode": "mlflow",
            "parent": None,
            "store_folder": str(root),
        }
        journal.start(RunRecord(**record | changes))
        return journal

    yield started
    for journal in journals:
        journal.close()


@pytest.fixture
def write() -> Callable[..., None]:
    """Write a whole run's events."""

    def written(journal: Journal, *, steps: int = 30, status: Any = "FINISHED", reason: str | None = None) -> None:
        journal.params({"loss.name": "fused", "seed": 0, "model.hidden": [512, 512], "none": None})
        journal.tags({"loss.exact": "true"})
        journal.dataset(name="mnist", digest="0123", source="/data", schema={}, profile={"num_rows": 60000})
        for step in range(1, steps + 1):
            journal.metrics(step, {"train/loss": 2.3 / step, "train/accuracy": 1 - 1 / (1 + step)})
        journal.metrics(steps, {"validation/loss": float("nan"), "gradient_norm": float("inf")})
        journal.confusion([[5, 1], [0, 4]], ["0", "1"])
        (journal.folder / "model.txt").write_text("weights")
        journal.artifact("model.txt", "checkpoints")
        journal.artifact("missing.txt")
        journal.end(status, reason)
        journal.close()

    return written
