"""How much of a journal MLflow has: `shipped.json` beside it, replaced as a whole."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_trainer.errors import ConfigError
from mnist_trainer.files import JOURNAL, read_object, write_whole
from mnist_trainer.hyperparameters import check, hyperparameter, picked_hyperparameters
from mnist_trainer.journal.address import folder_path, sqlite_path
from mnist_trainer.journal.reading import read_events

SHIPPED = "shipped.json"
LOCK = "shipping.lock"


@dataclass(frozen=True)
class Position:
    """Where a journal's run is in MLflow, and up to which byte of the journal it has been sent."""

    run: str
    uri: str
    experiment_id: str
    run_id: str
    offset: int = hyperparameter(0, minimum=0, maximum=2**63 - 1)
    done: bool = False
    status: str = "RUNNING"

    def __post_init__(self) -> None:
        """Check the offset; raises `ConfigError`."""
        check(self)

    def save(self, folder: Path) -> None:
        """Write it into the run's folder."""
        write_whole(folder / SHIPPED, json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Position | None":
        """Return the folder's position; None if there is none that can be read."""
        try:
            return picked_hyperparameters(cls, read_object(folder / SHIPPED))
        except (OSError, ValueError, ConfigError):
            return None

    @property
    def store_exists(self) -> bool:
        """False if the store was a SQLite file, or a folder, that is gone, and what it held with it."""
        path = sqlite_path(self.uri) or folder_path(self.uri)
        return path is None or path.exists()


def count_left(folder: Path) -> int:
    """How many events of the folder's journal MLflow doesn't have."""
    position = Position.load(folder)
    if position is not None and position.done:
        return 0
    try:
        events, _ = read_events(folder / JOURNAL, position.offset if position else 0)
    except FileNotFoundError:
        return 0
    return len(events)


def served_folders(folder: Path) -> list[Path]:
    """Return the folder of a run; or that of a sweep, followed by those of its runs."""
    children = sorted(path.parent for path in folder.glob(f"*/{JOURNAL}"))
    return [folder, *children] if (folder / JOURNAL).exists() else children
