"""A run's model in MLflow: logged, linked with its test, registered. Whenever that breaks off, it is done once.

The order is what makes it so: a model is found by its run's tag before one is made; what is linked twice is not linked
again, or is the same; and it is READY last.
"""

import contextlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_trainer.errors import DataError
from mnist_trainer.files import JOURNAL
from mnist_trainer.inference.model_file import Description, read_model
from mnist_trainer.journal.address import is_server
from mnist_trainer.journal.events import DatasetEvent, End, Evaluated, Event, Metrics, ModelEvent, Start
from mnist_trainer.journal.reading import read_events
from mnist_trainer.shipping.served_code import LOADER, copy_code
from mnist_trainer.shipping.store import RUN_TAG, Store, is_store_s

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.models import Model

NAME = "model"
TESTED = ("test/loss", "test/accuracy")
UNKNOWN = ("ENDPOINT_NOT_FOUND", "NOT_FOUND", "NOT_IMPLEMENTED")
"""What a server answers that doesn't know MLflow 3's models."""
HISTORY_TAG = "mlflow.log-model.history"
"""By which MLflow 2 finds a run's models."""
VERSIONS_TAG = "mlflow.modelVersions"
"""By which a model's page shows the versions that it was registered as."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """What a journal tells of a run that has left a model."""

    run: str
    event: ModelEvent
    tested: Metrics | None
    data: DatasetEvent | None


def send_model(folder: Path, store: Store, run_id: str) -> None:
    """Log the model of a finished run, or link an evaluation to one; that must not keep the run from ending.

    Raises what the store raises if that doesn't answer.
    """
    events, _ = read_events(folder / JOURNAL)
    finished = read_finished(events)
    evaluated = next((event for event in events if isinstance(event, Evaluated)), None)
    try:
        if finished is not None:
            send(folder, store, run_id, finished)
        if evaluated is not None:
            link_evaluation(store, run_id, evaluated.run, events)
    except Exception as error:
        if not isinstance(error, DataError) and is_store_s(error, store.uri):
            raise
        log.warning("%s: its model is not logged: %s", folder, error)
        log.debug("%s", folder, exc_info=True)


def read_finished(events: Sequence[Event]) -> Finished | None:
    """Return what there is to log; None if the run has not finished, or no model is to be logged."""
    start = next((event for event in events if isinstance(event, Start)), None)
    event = next((event for event in events if isinstance(event, ModelEvent)), None)
    ended = any(isinstance(event, End) and event.status == "FINISHED" for event in events)
    if start is None or event is None or not ended:
        return None
    tests = [each for each in events if isinstance(each, Metrics) and TESTED[0] in each.metrics]
    data = next((each for each in events if isinstance(each, DatasetEvent)), None)
    return Finished(start.run, event, tests[-1] if tests else None, data)


def send(folder: Path, store: Store, run_id: str, finished: Finished) -> None:
    """Log and register the model; done again, it changes nothing."""
    from mlflow.exceptions import MlflowException

    try:
        model = logged(store, run_id, finished)
    except MlflowException as error:
        if error.error_code not in UNKNOWN:
            raise
        send_as_artifacts(folder, store, run_id, finished)
        return
    if str(model.status) != "READY":
        with tempfile.TemporaryDirectory() as temporary:
            path, _ = pack(folder / finished.event.name, Path(temporary), finished, run_id, model.model_id)
            store.client.log_model_artifacts(model.model_id, str(path))
        link(store, run_id, model.model_id, finished)
        store.client.finalize_logged_model(model.model_id, "READY")
    if finished.event.register:
        register(store, run_id, f"models:/{model.model_id}", finished.event, model.model_id)


def logged(store: Store, run_id: str, finished: Finished) -> "LoggedModel":
    """Return the run's model, whatever its status, made if there is none."""
    client = store.client
    experiment_id = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment_id], f"tags.`{RUN_TAG}` = '{finished.run}'")
    own = [model for model in found if model.source_run_id == run_id and str(model.status) != "FAILED"]
    own.sort(key=lambda model: (str(model.status) != "READY", model.creation_timestamp))
    if own:
        return own[0]
    return client.create_logged_model(experiment_id, NAME, run_id, {RUN_TAG: finished.run})


def link(store: Store, run_id: str, model_id: str, finished: Finished) -> None:
    """Tell that the model is the run's, and how it did on the test set."""
    from mlflow.entities import LoggedModelOutput, Metric

    outputs = store.client.get_run(run_id).outputs
    linked = [output.model_id for output in outputs.model_outputs] if outputs else []
    tested, data = finished.tested, finished.data
    if model_id not in linked:
        store.client.log_outputs(run_id, [LoggedModelOutput(model_id, tested.step if tested else 0)])
    if tested is None:
        return
    about = {"dataset_name": data.name, "dataset_digest": data.digest[:36]} if data else {}
    metrics = [
        Metric(key, tested.metrics[key], tested.time, tested.step, model_id=model_id, run_id=run_id, **about)
        for key in TESTED
        if key in tested.metrics
    ]
    store.client.log_batch(run_id, metrics=metrics)


def link_evaluation(store: Store, run_id: str, run: str, events: Sequence[Event]) -> None:
    """Tell that a run has evaluated the model that the run `run` has left, if this store has that."""
    from mlflow.entities import LoggedModelInput, Metric

    client = store.client
    experiments = [each.experiment_id for each in client.search_experiments()]
    found = client.search_logged_models(experiments, f"tags.`{RUN_TAG}` = '{run}'")
    model = next((each for each in found if str(each.status) == "READY"), None)
    if model is None:
        log.info("the model of the run %s is not in this store: the evaluation is not linked to it", run)
        return
    inputs = client.get_run(run_id).inputs
    if model.model_id not in [each.model_id for each in (inputs.model_inputs if inputs else [])]:
        client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])
    data = next((each for each in events if isinstance(each, DatasetEvent)), None)
    about = {"dataset_name": data.name, "dataset_digest": data.digest[:36]} if data else {}
    metrics = [
        Metric(key, value, event.time, event.step, model_id=model.model_id, run_id=run_id, **about)
        for event in events
        if isinstance(event, Metrics)
        for key, value in event.metrics.items()
        if key in TESTED
    ]
    client.log_batch(run_id, metrics=metrics)


def register(store: Store, run_id: str, source: str, event: ModelEvent, model_id: str | None) -> None:
    """Register the model under the event's name, unless it is, and give it the alias, unless a later one has it."""
    from mlflow.exceptions import MlflowException

    client, name = store.client, event.register
    assert name is not None
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    versions = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    with looking_in(store):
        version = versions[0] if versions else client.create_model_version(name, source, run_id, model_id=model_id)
    if model_id is not None:
        told = [{"name": name, "version": int(version.version)}]
        client.set_logged_model_tags(model_id, {VERSIONS_TAG: json.dumps(told)})
    if event.alias:
        holder = client.get_registered_model(name).aliases.get(event.alias)
        if holder is None or int(holder) < int(version.version):
            client.set_registered_model_alias(name, event.alias, version.version)


@contextlib.contextmanager
def looking_in(store: Store) -> Iterator[None]:
    """Let MLflow look for a model in this store, and not where the environment says; a server does so by itself."""
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    with contextlib.nullcontext() if is_server(store.uri) else _use_tracking_uri(store.uri):
        yield


def send_as_artifacts(folder: Path, store: Store, run_id: str, finished: Finished) -> None:
    """Log the model among the run's artifacts, where MLflow 2 looks for it."""
    log.info("%s: %s is of MLflow 2: its model is among the run's artifacts", folder, store.uri)
    with tempfile.TemporaryDirectory() as temporary:
        path, model = pack(folder / finished.event.name, Path(temporary), finished, run_id, None)
        store.client.log_artifacts(run_id, str(path), NAME)
    store.client.set_tag(run_id, HISTORY_TAG, json.dumps([model.get_tags_dict()]))
    if finished.event.register:
        register(store, run_id, f"runs:/{run_id}/{NAME}", finished.event, None)


def pack(file: Path, target: Path, finished: Finished, run_id: str, model_id: str | None) -> "tuple[Path, Model]":
    """Make the folder that MLflow serves: the model file, the code that reads it, signature, example, requirements.

    Raises `DataError` if the file can't be read, or a plugin can't go along.
    """
    import numpy as np

    warm_up()
    import mlflow.pyfunc
    from mlflow.models import Model

    description, _, example = read_model(file)
    code = copy_code(target / "source", [Path(plugin) for plugin in finished.event.plugins])
    data = target / "data"
    data.mkdir()
    (data / file.name).write_bytes(file.read_bytes())
    about = Model(artifact_path=NAME, run_id=run_id, model_id=model_id, metadata=metadata_of(description))
    images = example[..., 0] if description.image_shape[2] == 1 else example
    with warnings.catch_warnings(action="ignore"):  # MLflow's own: nobody here can act on them
        mlflow.pyfunc.save_model(
            target / NAME,
            loader_module=LOADER,
            data_path=str(data),
            code_paths=[str(path) for path in code],
            mlflow_model=about,
            signature=signature_of(description),
            input_example=images,
            pip_requirements=[f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}"],
        )
    return target / NAME, about


def signature_of(description: Description) -> Any:
    """Return what goes in, images as bytes, and what comes out, the classes' probabilities."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    height, width, channels = description.image_shape
    shape = (-1, height, width) if channels == 1 else (-1, height, width, channels)
    return ModelSignature(
        Schema([TensorSpec(np.dtype(np.uint8), shape)]),
        Schema([TensorSpec(np.dtype(np.float32), (-1, description.classes))]),
    )


def metadata_of(description: Description) -> dict[str, Any]:
    """Return what a reader of the model's page wants to know."""
    return {"class_names": list(description.class_names), "data": description.data.get("name"), "run": description.name}


def warm_up() -> None:
    """Import what packing needs, while training goes on."""
    with warnings.catch_warnings(action="ignore"):
        import mlflow.pyfunc  # noqa: F401
