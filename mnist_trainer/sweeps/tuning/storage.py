"""Where a study is kept: a journal file in the sweep's folder, or a database by its URI."""

import errno
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_trainer.credentials import hidden, with_password
from mnist_trainer.errors import ConfigError, TrackingError, error_reason

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

STUDY_LOG = "study.log"
INSTALL = 'pip install "optuna>=4.9,<6"'
INSTALL_POSTGRESQL = 'pip install "psycopg[binary]"'
TRIES = 5
"""Tables that two processes create at once fail for one of them, which then finds them."""


def require_optuna() -> None:
    """Load Optuna, and let it tell of what goes wrong alone; raises `ConfigError` with the line that installs it."""
    try:
        import optuna
    except ImportError:
        raise ConfigError(f"hydra/sweeper=optuna needs Optuna, which is not installed: {INSTALL}") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def place_of(storage: str | None, folder: Path) -> str:
    """Return where a study is kept as every process has it: an absolute path, or a URI without its password."""
    if storage is None:
        return str((folder / STUDY_LOG).absolute())
    if storage.startswith("sqlite:///"):
        return f"sqlite:///{Path(storage.removeprefix('sqlite:///')).absolute()}"
    return hidden(storage) if "://" in storage else str(Path(storage).absolute())


def open_storage(place: str) -> "BaseStorage":
    """Open it, or create it; raises `ConfigError` for one that can't be, `TrackingError` for one out of reach."""
    if "://" not in place:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

        try:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            if Path(place).exists() and not Path(place).is_file():  # a pipe would be waited for
                raise OSError(errno.EINVAL, "not a file")
            lock = JournalFileSymlinkLock(place)
            backend = JournalFileBackend(place, lock)
            lock.acquire()
            try:
                cut_unfinished_study_line(Path(place))
            finally:
                lock.release()
            return JournalStorage(backend)
        except Exception as error:  # of what is no study, Optuna raises whatever its code comes to
            raise ConfigError(f"hydra.sweeper.storage={place}: no file for a study: {error_reason(error)}") from None
    return open_database(place)


def cut_unfinished_study_line(path: Path) -> None:
    """Cut off half of a line, which a full disk leaves: the next one would be written behind it, and be none.

    Raises `ValueError` for somebody's file that is no study's: Optuna would write into it.
    """
    with path.open("rb+") as file:
        content, begins = file.read(), b'{"op_code"'
        if content[: len(begins)] != begins[: len(content)]:
            raise ValueError("it holds something else")
        file.truncate(content.rfind(b"\n") + 1)


def open_database(place: str) -> "BaseStorage":
    """Open a database; see `open_storage`."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    uri = with_password(place)
    options = {}
    if uri.startswith(("postgresql://", "postgres://")):
        uri = f"postgresql+psycopg://{uri.partition('://')[2]}"
    if uri.startswith("sqlite"):
        options = {"connect_args": {"timeout": 60}}  # several processes write
    for tried in range(TRIES):
        try:
            return RDBStorage(uri, engine_kwargs=options)
        except ImportError:
            hint = f": {INSTALL_POSTGRESQL}" if uri.startswith("postgresql+psycopg:") else ""
            raise ConfigError(f"hydra.sweeper.storage={place}: its driver is not installed{hint}") from None
        except (ArgumentError, ValueError) as error:
            raise ConfigError(f"hydra.sweeper.storage={place}: {hidden(str(error)).partition(chr(10))[0]}") from None
        except (SQLAlchemyError, sqlite3.Error) as error:
            why = hidden(str(error.__cause__ or error)).strip().replace("\n", "; ")
            if "password" in why:
                hint = "give hydra.sweeper.storage again, with its password, which no file keeps"
                raise ConfigError(f"hydra.sweeper.storage={place}: {why}; {hint}") from None
            if tried == TRIES - 1:
                raise TrackingError(f"hydra.sweeper.storage={place}: {why}") from None
            time.sleep(0.2 * 2**tried)
    raise AssertionError
