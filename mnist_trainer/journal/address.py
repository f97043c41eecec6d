"""Where a run is sent: the tracking URI, and the SQLite file behind it if there is one."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mnist_trainer.credentials import hidden
from mnist_trainer.errors import TrackingError

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
DEFAULT_STORE = "default"
"""In a journal: the default store it is, whatever the environment of a later command names."""


def chosen_uri(uri: str | None) -> str | None:
    """Return the URI named by the configuration, else by MLFLOW_TRACKING_URI; None: the default store.

    It has no password: `credentials.with_password` gives that back.
    """
    if uri == DEFAULT_STORE:
        return None
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    path = sqlite_path(uri) if uri else None
    return sqlite_uri(path) if path else uri and hidden(uri)


def resolve_uri(uri: str | None, store_folder: Path) -> str:
    """`chosen_uri`, or that of the default store: the SQLite file `mlflow.db` in `store_folder`."""
    return chosen_uri(uri) or sqlite_uri((store_folder / DATABASE).absolute())


def scheme_of(uri: str) -> str:
    """`postgresql` of `postgresql+psycopg2://...`; empty if `uri` is a bare path."""
    return urlsplit(uri).scheme.partition("+")[0] if "://" in uri else uri.partition(":")[0] * (":" in uri)


def sqlite_path(uri: str) -> Path | None:
    """Return the absolute path of a SQLite URI's file; None for other stores."""
    if scheme_of(uri) != "sqlite":
        return None
    return Path(unquote(uri.partition("://")[2].partition("?")[0].removeprefix("/"))).absolute()


def sqlite_uri(path: Path) -> str:
    """Return the URI of a SQLite file; what has a meaning of its own in a URI is escaped."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def is_server(uri: str) -> bool:
    """Whether a server answers at `uri`, with an artifact store of its own."""
    return scheme_of(uri) in SERVERS


def check_uri(uri: str) -> None:
    """Raise TrackingError, saying what would fit, if no MLflow store can be at `uri`."""
    if is_server(uri) or (scheme_of(uri) in DATABASES and "://" in uri) or uri == "databricks":
        return
    raise TrackingError(
        f"tracking.uri={hidden(uri)}: not a store that MLflow can write to; use sqlite:///<file>,"
        " http(s)://<server>, or another database's URI. Give none for mlflow.db in the outputs folder."
    )
