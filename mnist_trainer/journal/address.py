"""Where a run is sent: the tracking URI, and the SQLite file or the folder behind it if there is one."""

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mnist_trainer.credentials import hidden
from mnist_trainer.errors import TrackingError
from mnist_trainer.files import at_home

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVING_PORT = 5001
"""Where a model is served: MLflow's own, 5000, may be its UI's."""
ALLOW_FILES = "MLFLOW_ALLOW_FILE_STORE"
DEFAULT_STORE = "default"
"""In a journal: the default store it is, whatever the environment of a later command names."""


def chosen_uri(uri: str | None) -> str | None:
    """Return the URI named by the configuration, else by MLFLOW_TRACKING_URI; None: the default store.

    It has no password: `credentials.with_password` gives that back.
    """
    if uri == DEFAULT_STORE:
        return None
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    if uri is None:
        return None
    if path := sqlite_path(uri):
        return sqlite_uri(path)
    folder = folder_path(uri)
    return folder.as_uri() if folder else hidden(uri)


def resolve_uri(uri: str | None, store_folder: Path) -> str:
    """`chosen_uri`, or that of the default store: the SQLite file `mlflow.db` in `store_folder`."""
    return chosen_uri(uri) or sqlite_uri((store_folder / DATABASE).absolute())


def scheme_of(uri: str) -> str:
    """`postgresql` of `postgresql+psycopg2://...`; empty if `uri` is a bare path."""
    return uri.partition(":")[0].partition("+")[0].lower() * (":" in uri)


def sqlite_path(uri: str) -> Path | None:
    """Return the absolute path of a SQLite URI's file; None for other stores."""
    if scheme_of(uri) != "sqlite":
        return None
    return Path(at_home(unquote(uri.partition("://")[2].partition("?")[0].removeprefix("/")))).absolute()


def folder_path(uri: str) -> Path | None:
    """Return the absolute path of a store of files, `file:...` or a bare path; None for other stores."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # a host's bracket that is not closed
        return None
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost") or uri == "databricks":
        return None
    return Path(at_home(unquote(parts.path) if parts.scheme else uri)).absolute()


def file_store_is_allowed() -> bool:
    """Whether MLflow's environment allows stores of files, which MLflow refuses otherwise."""
    return os.environ.get(ALLOW_FILES, "").lower() in ("true", "1")


def sqlite_uri(path: Path) -> str:
    """Return the URI of a SQLite file; what has a meaning of its own in a URI is escaped."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def is_server(uri: str) -> bool:
    """Whether a server answers at `uri`, with an artifact store of its own."""
    return scheme_of(uri) in SERVERS


def check_uri(uri: str) -> None:
    """Raise TrackingError, saying what would fit, if no MLflow store can be at `uri`."""
    if why := _never_one(uri):
        raise TrackingError(f"tracking.uri={hidden(uri)}: {why}")
    if is_server(uri) or (scheme_of(uri) in DATABASES and "://" in uri) or uri == "databricks":
        return
    files = folder_path(uri) is not None
    if files and file_store_is_allowed():
        return
    more = f" MLflow writes to a folder of files only with {ALLOW_FILES}=true in the environment." if files else ""
    raise TrackingError(
        f"tracking.uri={hidden(uri)}: not a store that MLflow can write to; use sqlite:///<file>,"
        f" http(s)://<server>, or another database's URI. Give none for mlflow.db in the outputs folder.{more}"
    )


def _never_one(uri: str) -> str | None:
    """Say why nothing can be at an address of a server or a SQLite file, however long it is waited for."""
    if scheme_of(uri) in ("http", "https"):
        try:
            host, _ = urlsplit(uri).hostname, urlsplit(uri).port
        except ValueError as error:
            return f"no address: {error}"
        return None if host else "it names no host"
    path = sqlite_path(uri)
    if path is not None and path.name == ":memory:":
        return "what is in the memory alone is gone with the process: name a file"
    with suppress(OSError):  # out of reach: it is tried, and waited for
        return f"{path} is a folder: name a file" if path is not None and path.is_dir() else None
    return None
