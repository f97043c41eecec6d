"""One MLflow tracking store: connecting to it, its experiments, finding a journal's run in it.

The only file, with `delivery.py`, that talks to MLflow. MLflow is imported when a store is connected to.
"""

import contextlib
import functools
import logging
import os
import shlex
import sqlite3
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from mnist_trainer.credentials import with_password
from mnist_trainer.errors import DeletedExperimentError, TrackingError
from mnist_trainer.journal.address import ARTIFACTS, check_uri, folder_path, is_server, sqlite_path, sqlite_uri
from mnist_trainer.journal.events import DESCRIPTION
from mnist_trainer.journal.locks import locked
from mnist_trainer.shipping.pages import VIEW_TAG, curves_page, runs_page, view_state
from mnist_trainer.shipping.patience import is_outage
from mnist_trainer.words import command

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

T = TypeVar("T")
RUN_TAG = "mnist_trainer.run"
FAILURE_TAG = "failure.reason"
DIVERGED_TAGS = "diverged."
"""What the tags begin with that tell of a divergence."""
REACHED_TAG = "mnist_trainer.reached"
LOCK_SECONDS = 60.0
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


# Whoever tries again has to look first: MLflow's own retries would make a second run where the answer to the request
# that made the first was lost, and block a call to a server that is down for 247 s
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


def load_mlflow() -> "type[MlflowClient]":
    """MLflow's client class; 2 s the first time. Sets ENVIRONMENT where the user did not."""
    os.environ[RETRIES] = "0"
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        Path.home()
    except RuntimeError:  # a user id that no account has: MLflow asks for a home when it is imported
        os.environ["HOME"] = "/"  # as containers have it
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they log as an error, they raise as well
    return MlflowClient


@functools.cache
def connect(uri: str) -> "Store":
    """Return the store at `uri`, made if it is a SQLite file that doesn't exist.

    Raises TrackingError if no store can be there, other exceptions if it doesn't answer now.
    """
    check_uri(uri)
    client_class = load_mlflow()
    path = sqlite_path(uri)
    if path is None:
        client = client_class(tracking_uri=with_password(uri))
        client.search_experiments(max_results=1)
        return Store(uri, client)
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  (0.7 s, better outside the lock)

    path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes that create the tables at once fail.
    with locked(path.with_name(path.name + ".lock"), LOCK_SECONDS):
        if not path.exists() or not path.stat().st_size:
            _make_sqlite_store(path, client_class)
        _probe_sqlite_store(path)
        client = client_class(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return Store(uri, client)


def is_store_s(error: Exception, uri: str) -> bool:
    """Whether a failure is the store's, so that all who send there have it: it doesn't answer to a question, either."""
    if isinstance(error, DeletedExperimentError):  # another experiment's runs can be sent
        return False
    if isinstance(error, TrackingError) or is_outage(error):
        return True
    try:
        connect(uri).client.search_experiments(max_results=1)
    except Exception:
        return True
    return False


def _make_sqlite_store(path: Path, client_class: "type[MlflowClient]") -> None:
    """Make a store under another name, and rename it: MLflow can't go on with tables half made, if it is killed."""
    for leftover in path.parent.glob(f".{path.name}.new*"):  # SQLite's journal, too
        leftover.unlink(missing_ok=True)  # SQLite may have removed its journal meanwhile
    # Another name each time: to one that failed, on a full disk, say, MLflow keeps its connection
    new = path.with_name(f".{path.name}.new-{uuid.uuid4().hex}")
    client = client_class(tracking_uri=sqlite_uri(new))
    client.search_experiments(max_results=1)
    client._tracking_client.store.engine.dispose()
    new.replace(path)


def _probe_sqlite_store(path: Path) -> None:
    """Fail at once where MLflow would try for 100 s: a file that can't be opened or isn't a database."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=5)) as database:
            database.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error


def described(experiment_id: str) -> str:
    """Write an experiment's description."""
    return (
        "Networks trained by mnist_trainer; + shows the runs of a sweep or a comparison. "
        f"[Table]({runs_page(experiment_id)}), [learning curves]({curves_page(experiment_id)}).\n\n"
        "Choose by `validation/accuracy` (`best/validation_accuracy` of a sweep); `test/accuracy` is of images that "
        "nothing was chosen by. The step of every metric is the number of updates done."
    )


def _all_pages_of_store(search: Callable[..., Any]) -> list[Any]:
    """Return all pages of a search."""
    found, token = [], None
    while True:
        page = search(page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


class Store:
    """A store that answered."""

    def __init__(self, uri: str, client: "MlflowClient") -> None:
        self.uri = uri
        self.client = client

    @property
    def version(self) -> str:
        """MLflow's version here."""
        from mlflow.version import VERSION

        return str(VERSION)

    @property
    def keeps_repeats(self) -> bool:
        """Whether a metric that is sent again is there twice: databases drop an exact repeat, files don't."""
        return folder_path(self.uri) is not None

    def experiment(self, name: str, store_folder: Path) -> str:
        """Return the id of the experiment `name`, made if need be; raises `DeletedExperimentError` for a deleted one.

        Unless the store has a place for them, its artifacts go to `store_folder/mlartifacts/<name>`: by default
        MLflow would make a folder in the working directory.
        """
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            folder = store_folder / ARTIFACTS / quote(name, safe=" ")
            by_itself = is_server(self.uri) or folder_path(self.uri) is not None
            location = None if by_itself else folder.absolute().as_uri()
            try:
                return str(self.client.create_experiment(name, location))
            except MlflowException:
                found = self.client.get_experiment_by_name(name)
                if found is None:  # it failed for another reason than another process's having made it
                    raise
        self.check_active(found)
        return str(found.experiment_id)

    def check_active(self, experiment: "Experiment") -> None:
        """Raise `DeletedExperimentError` for a deleted one: brought back, it would have all its runs again."""
        if experiment.lifecycle_stage == "deleted":
            back = command("mlflow", "experiments", "restore", "-x", str(experiment.experiment_id))
            raise DeletedExperimentError(
                f"{sqlite_path(self.uri) or self.uri}: its experiment {experiment.name} was deleted; to have it back, "
                f"with all its runs: {shlex.join(['env', f'MLFLOW_TRACKING_URI={self.uri}'])} {back}; or name another: "
                "tracking.experiment=NAME (with task=sync, too, for what is kept)"
            )

    def experiment_of(self, experiment_id: str) -> "Experiment | None":
        """Return the experiment with a number, whatever its stage; None if there is none."""
        return _unless_missing(self.client.get_experiment, experiment_id)

    def run_of(self, run_id: str) -> "Run | None":
        """Return a run, whatever its stage; None if there is none."""
        return _unless_missing(self.client.get_run, run_id)

    def show(self, experiment_id: str) -> None:
        """Let MLflow's UI show the experiment's runs with our columns; describe it, if nobody has."""
        experiment = self.client.get_experiment(experiment_id)
        wanted = {VIEW_TAG: view_state(), DESCRIPTION: described(experiment_id)}
        if DESCRIPTION in experiment.tags:
            del wanted[DESCRIPTION]
        for tag, value in wanted.items():
            if experiment.tags.get(tag) != value:
                self.client.set_experiment_tag(experiment_id, tag, value)

    def touch(self, name: str, store_folder: Path) -> str:
        """Write the time into a tag of the experiment `name`, which a store that only can be read won't have.

        Returns its id.
        """
        found = self.experiment(name, store_folder)
        self.client.set_experiment_tag(found, REACHED_TAG, datetime.now().isoformat())
        return found

    def find_run(self, experiment_id: str, run: str) -> str | None:
        """Return the id of the MLflow run that was made from the journal `run`."""
        found = self.client.search_runs([experiment_id], f"tags.`{RUN_TAG}` = '{run}'", max_results=1)
        return found[0].info.run_id if found else None

    def find_run_anywhere(self, run: str) -> str | None:
        """Return the id of the MLflow run that was made from the journal `run`, in whatever experiment."""
        found = self.runs_with(f"tags.`{RUN_TAG}` = '{run}'")
        return str(found[0].info.run_id) if found else None

    def runs_with(self, condition: str) -> "list[Run]":
        """Return the runs, in whatever experiment, that a condition holds for."""
        experiments = [each.experiment_id for each in _all_pages_of_store(self.client.search_experiments)]
        return _all_pages_of_store(functools.partial(self.client.search_runs, experiments, condition, max_results=1000))

    def delete_twins(self, experiment_id: str, run: str, run_id: str) -> None:
        """Delete what a request to make the run came to that was answered too late, beside the run that is kept."""
        found = self.client.search_runs([experiment_id], f"tags.`{RUN_TAG}` = '{run}'")
        for each in found:
            if each.info.run_id != run_id and not (each.data.metrics or each.data.params):
                self.client.delete_run(each.info.run_id)

    def reopen(self, run_id: str, description: str | None) -> None:
        """Let a run that has ended be running again, its reason forgotten, and its description but for these words."""
        run = self.client.get_run(run_id)
        for tag in run.data.tags:
            if tag in (FAILURE_TAG, DESCRIPTION) or tag.startswith(DIVERGED_TAGS):
                self.client.delete_tag(run_id, tag)
        if description:
            self.client.set_tag(run_id, DESCRIPTION, description)
        if run.info.status != "RUNNING":
            self.client.update_run(run_id, "RUNNING")

    def status(self, run_id: str) -> str:
        """Return whether a run is RUNNING, or how it has ended."""
        return str(self.client.get_run(run_id).info.status)

    def stage(self, run_id: str) -> str | None:
        """Return `active` or `deleted`; None if there is no such run."""
        run = self.run_of(run_id)
        return None if run is None else str(run.info.lifecycle_stage)


def _unless_missing(ask: Callable[[str], T], what: str) -> T | None:
    """Return what a store answers; None if it knows of no such thing, or nothing can have that name."""
    from mlflow.exceptions import MlflowException

    try:
        return ask(what)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
