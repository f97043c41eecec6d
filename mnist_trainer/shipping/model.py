"""A run's model in MLflow: logged, linked with its test, registered. Whenever that breaks off, it is done once.

The order is what makes it so: a model is found by its run's tag before one is made; what is linked twice is not linked
again, or is the same; and it is READY last.
"""

import json
import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_trainer.errors import DataError
from mnist_trainer.files import JOURNAL
from mnist_trainer.inference.model_file import read_model
from mnist_trainer.journal.events import (
    DESCRIPTION,
    DatasetEvent,
    End,
    Evaluated,
    Event,
    Metrics,
    ModelEvent,
    Register,
    Start,
)
from mnist_trainer.journal.reading import read_events, read_journal
from mnist_trainer.shipping.description import model_description
from mnist_trainer.shipping.packed_model import NAME, pack
from mnist_trainer.shipping.registration import asked_registrations, register, registrations_by_sweep
from mnist_trainer.shipping.store import RUN_TAG, Store, is_store_s

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

TESTED = ("test/loss", "test/accuracy")
UNKNOWN = ("ENDPOINT_NOT_FOUND", "NOT_FOUND", "NOT_IMPLEMENTED")
"""What a server answers that doesn't know MLflow 3's models."""
HISTORY_TAG = "mlflow.log-model.history"
"""By which MLflow 2 finds a run's models."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tested:
    """What a journal tells of how a model did, and on what."""

    metrics: Metrics | None
    data: DatasetEvent | None

    @classmethod
    def of(cls, events: Sequence[Event]) -> "Tested":
        """Take the last test."""
        tests = [each for each in events if isinstance(each, Metrics) and TESTED[0] in each.metrics]
        data = [each for each in events if isinstance(each, DatasetEvent)]
        return cls(tests[-1] if tests else None, data[-1] if data else None)  # the last set is the one tested on


def send_model(folder: Path, store: Store, run_id: str) -> None:
    """Do what a run's journal says of models: log its own, link an evaluation to another's, register one.

    That must not keep the run from ending: what is wrong with a model is told. Raises what the store raises if that
    doesn't answer.
    """
    events, _ = read_events(folder / JOURNAL)
    try:
        for event in events:
            if isinstance(event, ModelEvent) and is_finished(events):
                send(folder, store, run_id, event, events)
            elif isinstance(event, Evaluated):
                link_evaluation(store, run_id, event.run, Tested.of(events))
        register_those(asked_registrations(events), store)
    except Exception as error:
        if not isinstance(error, DataError) and is_store_s(error, store.uri):
            raise
        log.warning("%s: what it says of models is not sent: %s", folder, error)
        log.debug("%s", folder, exc_info=True)


def is_finished(events: Iterable[Event]) -> bool:
    """Tell whether a journal's run has its result."""
    return any(isinstance(event, End) and event.status == "FINISHED" for event in events)


def send(folder: Path, store: Store, run_id: str, event: ModelEvent, events: Sequence[Event]) -> None:
    """Log a finished run's model, and register it if its sweep asks for that; done again, it changes nothing."""
    from mlflow.exceptions import MlflowException

    run = next(each.run for each in events if isinstance(each, Start))
    try:
        model = logged(store, run_id, run)
    except MlflowException as error:
        if error.error_code not in UNKNOWN:
            raise
        send_as_artifacts(folder, store, run_id, event)
    else:
        if str(model.status) != "READY":
            with tempfile.TemporaryDirectory() as temporary:
                path, _ = pack(folder / event.name, Path(temporary), event.plugins, run_id, model.model_id)
                store.client.log_model_artifacts(model.model_id, str(path))
            link(store, run_id, model.model_id, Tested.of(events))
            shape = read_model(folder / event.name)[0].image_shape
            told = model_description(read_journal(folder), model.model_id, shape)
            store.client.set_logged_model_tags(model.model_id, {DESCRIPTION: told})
            store.client.finalize_logged_model(model.model_id, "READY")
    register_those(registrations_by_sweep(folder, run), store)


def logged(store: Store, run_id: str, run: str) -> "LoggedModel":
    """Return the run's model, whatever its status, made if there is none."""
    client = store.client
    experiment_id = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment_id], f"tags.`{RUN_TAG}` = '{run}'")
    own = [model for model in found if model.source_run_id == run_id and str(model.status) != "FAILED"]
    own.sort(key=lambda model: (str(model.status) != "READY", model.creation_timestamp))
    return own[0] if own else client.create_logged_model(experiment_id, NAME, run_id, {RUN_TAG: run})


def ready_model(store: Store, run: str) -> "LoggedModel | None":
    """Return the model that the run of a journal has left in this store, if it has."""
    experiments = [each.experiment_id for each in store.client.search_experiments()]
    found = store.client.search_logged_models(experiments, f"tags.`{RUN_TAG}` = '{run}'")
    return next((model for model in found if str(model.status) == "READY"), None)


def link(store: Store, run_id: str, model_id: str, tested: Tested) -> None:
    """Tell that the model is the run's, and how it did on the test set."""
    from mlflow.entities import LoggedModelOutput

    outputs = store.client.get_run(run_id).outputs
    if model_id not in [output.model_id for output in (outputs.model_outputs if outputs else [])]:
        step = tested.metrics.step if tested.metrics else 0
        store.client.log_outputs(run_id, [LoggedModelOutput(model_id, step)])
    log_metrics(store, run_id, model_id, tested)


def link_evaluation(store: Store, run_id: str, run: str, tested: Tested) -> None:
    """Tell that a run has evaluated the model that the run `run` has left, if this store has that."""
    from mlflow.entities import LoggedModelInput

    model = ready_model(store, run)
    if model is None:
        log.info("the model of the run %s is not in this store: its evaluation is not linked to it", run)
        return
    inputs = store.client.get_run(run_id).inputs
    if model.model_id not in [each.model_id for each in (inputs.model_inputs if inputs else [])]:
        store.client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
    log_metrics(store, run_id, model.model_id, tested)


def log_metrics(store: Store, run_id: str, model_id: str, tested: Tested) -> None:
    """Log the test's metrics for the model, too, and for the data set; with their own time, so that they stay one."""
    from mlflow.entities import Metric

    event, data = tested.metrics, tested.data
    if event is None:
        return
    about = {"dataset_name": data.name, "dataset_digest": data.digest[:36]} if data else {}
    metrics = [
        Metric(key, event.metrics[key], event.time, event.step, model_id=model_id, run_id=run_id, **about)
        for key in TESTED
        if key in event.metrics
    ]
    store.client.log_batch(run_id, metrics=metrics)


def register_those(asked: Sequence[Register], store: Store) -> None:
    """Register the models asked for that are there; one that is not is registered when it is sent."""
    from mlflow.exceptions import MlflowException

    for each in asked:
        try:
            model = ready_model(store, each.run)
        except MlflowException as error:
            if error.error_code not in UNKNOWN:
                raise
            register_artifacts(each, store)
            continue
        if model is not None:
            source = f"models:/{model.model_id}"
            register(store, str(model.source_run_id), source, each, model.model_id)


def send_as_artifacts(folder: Path, store: Store, run_id: str, event: ModelEvent) -> None:
    """Log the model among the run's artifacts, where MLflow 2 looks for it."""
    log.info("%s: %s is of MLflow 2: its model is among the run's artifacts", folder, store.uri)
    with tempfile.TemporaryDirectory() as temporary:
        path, model = pack(folder / event.name, Path(temporary), event.plugins, run_id, None)
        store.client.log_artifacts(run_id, str(path), NAME)
    store.client.set_tag(run_id, HISTORY_TAG, json.dumps([model.get_tags_dict()]))


def register_artifacts(asked: Register, store: Store) -> None:
    """Register a model that MLflow 2 has among a run's artifacts, if it is there."""
    experiments = [each.experiment_id for each in store.client.search_experiments()]
    runs = store.client.search_runs(experiments, f"tags.`{RUN_TAG}` = '{asked.run}'", max_results=1)
    if runs and HISTORY_TAG in runs[0].data.tags:
        run_id = runs[0].info.run_id
        source = f"{runs[0].info.artifact_uri}/{NAME}"
        register(store, run_id, source, asked, None)
