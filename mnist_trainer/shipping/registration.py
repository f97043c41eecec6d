"""A model that is registered: one version, with its alias, whenever and however often that is sent.

Who asks for it is the run's own journal, or its sweep's, once the best is known. The model may be sent after that, or
before: whichever comes last registers it.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from mnist_trainer.files import JOURNAL
from mnist_trainer.journal.address import is_server
from mnist_trainer.journal.events import Event, Register
from mnist_trainer.journal.reading import read_events
from mnist_trainer.shipping.store import Store

VERSIONS_TAG = "mlflow.modelVersions"
"""By which a model's page shows the versions that it was registered as."""


def asked_registrations(events: Sequence[Event]) -> list[Register]:
    """Return what a journal asks to be registered."""
    return [event for event in events if isinstance(event, Register)]


def registrations_by_sweep(folder: Path, run: str) -> list[Register]:
    """Return what the journal of the sweep that a run's folder lies in asks for that run."""
    try:
        events, _ = read_events(folder.parent / JOURNAL)
    except OSError:
        return []
    return [asked for asked in asked_registrations(events) if asked.run == run]


def register(store: Store, run_id: str, source: str, asked: Register, model_id: str | None) -> None:
    """Register a run's model, unless it is, and give the version the alias, unless a later one has it."""
    from mlflow.exceptions import MlflowException

    client, name = store.client, asked.name
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
    if asked.alias:
        holder = client.get_registered_model(name).aliases.get(asked.alias)
        if holder is None or int(holder) < int(version.version):
            client.set_registered_model_alias(name, asked.alias, version.version)


@contextlib.contextmanager
def looking_in(store: Store) -> Iterator[None]:
    """Let MLflow look for a model in this store, and not where the environment says; a server does so by itself."""
    from mlflow.tracking._tracking_service.utils import _use_tracking_uri

    with contextlib.nullcontext() if is_server(store.uri) else _use_tracking_uri(store.uri):
        yield
