"""From the files in `conf/` and overrides, or from a run's own values, to a configuration that is checked."""

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.build import check_buildable
from mnist_trainer.complaints.command_line import read
from mnist_trainer.complaints.composing import UNEXPECTED, explain
from mnist_trainer.complaints.files import Folders
from mnist_trainer.complaints.misread import misread
from mnist_trainer.complaints.origin import Origin
from mnist_trainer.complaints.values import instead, said
from mnist_trainer.config import (
    GROUPS_SINCE_0_1,
    SCHEMAS,
    SINCE_0_1,
    CommandConfig,
    Config,
    TrackingConfig,
    register_sweeper_schemas,
)
from mnist_trainer.credentials import hide, hide_in
from mnist_trainer.errors import ConfigError, prefixed_problems
from mnist_trainer.files import at_home
from mnist_trainer.hyperparameters import construct_hyperparameters
from mnist_trainer.presets import misnamed_choices

TOKEN = secrets.token_hex(3)
"""One a process, so that two that start in the same second have folders of their own."""
_TURN = threading.RLock()


def conf_folder() -> Path:
    """Return the folder of the YAML files: in the package, as a wheel has it, or else beside it."""
    package = Path(__file__).resolve().parent
    return next(folder for folder in (package / "conf", package.parent / "conf") if folder.is_dir())


def override_key(override: str) -> str:
    """Return the key of an override: `seed` of `seed=1` and `++seed=1`."""
    return override.lstrip("+~").partition("=")[0]


def compose(overrides: Sequence[str] = ()) -> Config:
    """Compose the configuration of the command line `python -m mnist_trainer OVERRIDES`; raises `ConfigError`."""
    check_texts(overrides)
    overrides = read(hide_in(overrides), Folders([conf_folder()]))
    try:
        with own_hydra():
            composed = hydra_compose("config", overrides, return_hydra_config=True)
            origin = Origin.of(composed.hydra)
            with open_dict(composed):
                del composed["hydra"]
            return typed(composed, origin)
    except (*UNEXPECTED, OSError) as error:  # the latter of a name too long for a file
        raise ConfigError(explain(error, overrides, conf_folder())) from error


@contextmanager
def own_hydra() -> Iterator[None]:
    """Let Hydra compose from `conf/` within the block, whoever else's Hydra is at work in this process.

    In a job of this project's command that is Hydra as it is, with the folders that the command line adds. Otherwise
    what Hydra keeps of an application, its place, version and name, is put aside for a moment, and so is another
    plugin's hydra/sweeper=optuna; threads take turns.
    """
    with _TURN:
        if is_own(GlobalHydra.instance()):
            yield
            return
        theirs = {kind: Singleton._instances.pop(kind, None) for kind in (GlobalHydra, VersionBase, JobRuntime)}
        Plugins.instance()  # which stores all plugins' nodes when it is made
        store = ConfigStore.instance()
        their_nodes, store.repo = store.repo, copied(store.repo)
        try:
            register_sweeper_schemas()
            with initialize_config_dir(str(conf_folder()), version_base="1.3"):
                yield
        finally:
            store.repo = their_nodes
            for kind, instance in theirs.items():
                Singleton._instances.pop(kind, None)
                if instance is not None:
                    Singleton._instances[kind] = instance


def copied(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Return groups of nodes, to add to; the nodes are the same."""
    return {name: copied(node) if isinstance(node, dict) else node for name, node in nodes.items()}


def is_own(running: GlobalHydra) -> bool:
    """Whether it is this project's command that Hydra runs."""
    if not running.is_initialized():
        return False
    places = running.config_loader().get_search_path().get_path()
    return any(each.provider == "main" and each.path in own_search_path() for each in places)


def own_search_path() -> tuple[str, str]:
    """Return how Hydra's search path may name `conf/`."""
    return str(conf_folder()), f"file://{conf_folder()}"


def typed(composed: DictConfig, origin: Origin) -> Config:
    """Turn a composed configuration into a job's dataclasses; `origin` is what it was composed of.

    The store's password, if there is one, is hidden. Raises `ConfigError` for keys missing, or added with a `+`, for
    a choice that is made something else than its name says, and for `sweep.resume`, which is no job's; each problem
    with the line of the file that it is in, if it is in one.
    """
    if found := [problem for file in origin.files() for problem in misread(file)]:
        raise ConfigError(*found)
    try:
        return _typed(composed, origin.choices)
    except OmegaConfBaseException as error:
        raise ConfigError(origin.placed(error, said(error, conf_folder()))) from error
    except ConfigError as error:
        raise ConfigError(*map(origin.with_line, error.problems)) from error.__cause__


def _typed(composed: DictConfig, choices: Mapping[str, str | None]) -> Config:
    missing = [
        f"{key} is missing: give it a value, as in {key}=..." for key in sorted(OmegaConf.missing_keys(composed))
    ]
    if found := [*missing, *_unknown_keys(composed)]:
        raise ConfigError(*found)
    command = OmegaConf.to_object(composed)
    assert isinstance(command, CommandConfig)
    if command.sweep.resume is not None:
        raise ConfigError("sweep.resume goes on with a sweep: it needs --multirun (resume=... goes on with one run)")
    if found := misnamed_choices(command, choices, conf_folder()):
        raise ConfigError(*found)
    for key in ("checkpoint", "images", "format"):
        if getattr(command, key) and not hasattr(command.task, key):
            more = "; resume=... goes on with a run" if key == "checkpoint" else ""
            raise ConfigError(f"{key}={getattr(command, key)}: task={command.task.name} takes none{more}")
    command.outputs, command.journal = at_home(command.outputs), command.journal and at_home(command.journal)
    command.tracking.uri = command.tracking.uri and hide(command.tracking.uri)
    return _checked({field.name: getattr(command, field.name) for field in fields(Config)})


def restored(values: Mapping[str, Any]) -> Config:
    """Turn a configuration's plain values, `asdict` of it, back into dataclasses; raises `ConfigError`.

    Those of an earlier version get the groups and keys that there were none of (`GROUPS_SINCE_0_1`, `SINCE_0_1`).
    """
    values = {**GROUPS_SINCE_0_1, **values}
    if values.keys() != {field.name for field in fields(Config)}:
        raise ConfigError(f"the keys {', '.join(map(str, values))}: not a configuration of this version")
    names = sorted({path.partition("/")[0] for path in SCHEMAS})
    groups = {name: schema_of_keys(name, values[name]) for name in names}
    values = {**values, **{name: with_later_keys(name, values[name], schema) for name, schema in groups.items()}}
    try:
        structure = OmegaConf.merge(OmegaConf.structured(Config), groups)
        config = OmegaConf.to_object(OmegaConf.merge(structure, dict(values)))
    except OmegaConfBaseException as error:
        raise ConfigError(said(error, conf_folder())) from error
    except (RecursionError, OverflowError) as error:
        raise ConfigError("too deep, or too large a number: not a configuration of this version") from error
    assert isinstance(config, Config)
    return _checked(vars(config))


def schema_of_keys(group: str, values: object) -> type:
    """Return the schema of a group that has just the keys of these plain values; raises `ConfigError`."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{group}={values!r}: not a configuration of this version")
    schemas = [schema for path, schema in SCHEMAS.items() if path.partition("/")[0] == group]
    for later in ({}, SINCE_0_1.get(group, {})):
        for schema in schemas:
            lacking = {field.name for field in fields(schema)} - values.keys()
            if lacking <= later.keys() and len(values) + len(lacking) == len(fields(schema)):
                return schema
    raise ConfigError(f"{group} with the keys {', '.join(map(str, values))}: not a configuration of this version")


def with_later_keys(group: str, values: Mapping[str, Any], schema: type) -> dict[str, Any]:
    """Return the values of a group with the keys that it has got since they were written."""
    names = {field.name for field in fields(schema)}
    return {key: value for key, value in SINCE_0_1.get(group, {}).items() if key in names} | dict(values)


def _checked(values: Mapping[str, Any]) -> Config:
    """Make the configuration of these values and groups; raises `ConfigError` for all that can't be run.

    The types are checked again: in the place of a list, OmegaConf takes what an interpolation finds.
    """
    groups = {}
    for key, group in values.items():
        if is_dataclass(group):
            with prefixed_problems(f"{key}."):
                groups[key] = construct_hyperparameters(type(group), vars(group))
    config = construct_hyperparameters(Config, {**values, **groups})
    check_buildable(config)
    return config


def _unknown_keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    schema = OmegaConf.get_type(node)
    if schema is None or not is_dataclass(schema):
        return
    known = [field.name for field in fields(schema)]
    for key in map(str, node):
        if key not in known:
            yield f"{prefix}{key} is unknown{instead(prefix + key, known, conf_folder())}"
        elif not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            yield from _unknown_keys(node[key], f"{prefix}{key}.")


def check_texts(overrides: object) -> None:
    """Raise `ConfigError` for what is no list of texts: a single text, say, or a list within."""
    if isinstance(overrides, str) or not isinstance(overrides, Sequence):
        raise ConfigError(f'{overrides!r}: overrides come in a list, as in compose(["epochs=3", "seed=1"])')
    for each in overrides:
        if not isinstance(each, str):
            raise ConfigError(f'{each!r}: an override is a text, as in train("epochs=3", "seed=1")')


def _folder(path: str | None) -> str:
    if not path or not str(path).strip():
        raise ConfigError("outputs is empty: name a folder")
    path = at_home(str(path))
    if "${" in str(Path(path).absolute()):
        raise ConfigError(f"{Path(path).absolute()}: ${{ is Hydra's, for interpolations: take a folder without")
    return path


OmegaConf.register_new_resolver("mnist_trainer.unique", lambda: TOKEN, replace=True)
OmegaConf.register_new_resolver("mnist_trainer.folder", _folder, replace=True)


def tracking_of(config: DictConfig) -> TrackingConfig:
    """Return how a sweep, or a job, is to be tracked, without a password."""
    tracking = OmegaConf.to_object(config.tracking)
    assert isinstance(tracking, TrackingConfig)
    return replace(tracking, uri=tracking.uri and hide(tracking.uri))
