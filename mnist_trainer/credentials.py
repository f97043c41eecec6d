"""Passwords in the URIs of tracking stores: hidden where a URI comes in, put back where MLflow is called.

The run's folder, MLflow and the terminal only ever get the URI without its password. As it was given it is kept in
this process's environment, which the processes that it starts inherit, and nowhere else.
"""

import os
import re
from collections.abc import Iterable

STORES = "MNIST_TRAINER_STORES"
"""The environment's URIs with passwords, one a line."""
KEYS = ("tracking.uri=", "hydra.sweeper.storage=")

_URI = re.compile(r"\b[a-z][\w+.-]*://[^\s,'\"]+", re.IGNORECASE)
# SQLAlchemy lets a database's password hold slashes; of a server's address they are the end of the host
_DATABASE = re.compile(r"\b((?:postgresql|mysql|mssql)(?:\+\w+)?://[^:/@\s'\"]*):[^@\s'\"]*@", re.IGNORECASE)
# A scheme is looked at as a whole: the driver in it, of postgresql+psycopg2, is no server's
_SERVER = re.compile(r"(?<![\w+.-])((?!postgresql|mysql|mssql|databricks)[a-z][\w+.-]*://)[^\s/?#'\"]*@", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&](?:\w*password|passwd|pwd|\w*token|\w*secret|odbc_connect)=)[^&\s'\"]+", re.IGNORECASE)


def hidden(text: str) -> str:
    """Return a text without the passwords in its URIs: a server's user goes too, a database's stays."""
    return _PARAMETER.sub(r"\1", _DATABASE.sub(r"\1@", _SERVER.sub(r"\1", text)))


def hide(text: str) -> str:
    """Return `hidden(text)`, and keep the URIs as they were for `with_password`."""
    found = [uri for uri in _URI.findall(text) if hidden(uri) != uri]
    if found:
        os.environ[STORES] = "\n".join(dict.fromkeys([*found, *_kept_uris()]))  # the last one given counts
    return hidden(text)


def hide_in(overrides: Iterable[str]) -> list[str]:
    """Hide the passwords of those overrides that name a store."""
    return [hide(each) if any(key in each for key in KEYS) else each for each in overrides]


def with_password(uri: str) -> str:
    """Return the URI as it was given to this process or those that started it, or as MLFLOW_TRACKING_URI has it."""
    given = [*_kept_uris(), os.environ.get("MLFLOW_TRACKING_URI", "")]
    return next((each for each in given if each and hidden(each) == uri), uri)


def _kept_uris() -> list[str]:
    return os.environ.get(STORES, "").splitlines()
