"""What a run left in its folder to go on from, read with care: its checkpoints and its resolved configuration."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mnist_trainer.composition import restored
from mnist_trainer.config import Config
from mnist_trainer.errors import ConfigError, DataError
from mnist_trainer.files import MOST_YAML, read_text
from mnist_trainer.hyperparameters import picked
from mnist_trainer.runs.checkpointing import About
from mnist_trainer.training.checkpoint import FILE, PREVIOUS, Checkpoint
from mnist_trainer.training.state import Place, place_of

log = logging.getLogger(__name__)


def read_checkpoint(folder: Path, named: Path | None) -> tuple[Path | None, Checkpoint | None]:
    """Read the checkpoint named, or the folder's newest that is whole; None if there is none.

    Raises `DataError` if there are some, but none is whole.
    """
    if named is not None and named.name.endswith(".npz"):
        return named, Checkpoint.load(named)
    problem: DataError | None = None
    for path in (folder / FILE, folder / PREVIOUS):
        if path.exists() or path.is_symlink():
            try:
                checkpoint = Checkpoint.load(path)
            except DataError as error:
                problem = problem or error
                continue
            if problem is not None:
                log.warning(f"{problem}; taking the one before")
            return path, checkpoint
    if problem is not None:
        raise problem
    return None, None


def told(path: Path | None, checkpoint: Checkpoint) -> tuple[About, Place]:
    """Return what a checkpoint's document says of the run, and where in it it was taken; raises `DataError`."""
    try:
        return picked(About, checkpoint.document), place_of(checkpoint.document)
    except (ConfigError, DataError) as error:
        raise DataError(f"{path}: {error}") from error


def read_config(path: Path) -> Mapping[str, Any]:
    """Read a run's resolved configuration; raises `DataError` naming the file."""
    try:
        values = yaml.load(read_text(path, MOST_YAML), PlainLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a readable configuration: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: not a configuration")
    return values


def config_of(path: Path, values: Mapping[str, Any]) -> Config:
    """Return the configuration that a run's file holds; raises `DataError` naming it if that isn't one."""
    try:
        return restored(values)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error


class PlainLoader(yaml.SafeLoader):
    """A safe loader without aliases, by which a few lines can stand for more than the memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; raises a `YAMLError` for an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        return super().compose_node(parent, index)
