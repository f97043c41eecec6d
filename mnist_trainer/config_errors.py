"""Hydra's and OmegaConf's errors in a reader's words."""

import re
from dataclasses import is_dataclass

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from mnist_trainer.hyperparameters import suggestion


def explain(error: Exception) -> str:
    """Say in one short block which key is wrong, why, and what would fit."""
    cause = error.__cause__ if error.__cause__ is not None else error
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        return unknown_key(cause)
    message = str(error) if cause is error else f"{error}\n{cause}"
    if found := re.search(r"Missing mandatory value: (\S+)", message):
        return f"{found[1]} is missing: give it a value, as in {found[1]}=..."
    if found := re.search(r"LexerNoViableAltException: (.*)", message):
        return f"{found[1]} can't be read: quote what is not letters, digits and -./:%_ alone, as in key='\"a b\"'"
    if found := re.search(r"ConfigError raised while resolving interpolation: (.*)", message):
        return found[1]
    if found := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':\n((?:\t.*\n?)+)", message):
        choice, group, options = found.groups()
        name = choice.removeprefix(f"{group}/")
        return f"{group}={name} is unknown{suggestion(name, options.split())}"
    drop = ("full_key:", "reference_type=", "object_type=", "Config search path", "provider=", "To append to your")
    lines = [line.rstrip() for line in message.splitlines() if line.strip() and not line.strip().startswith(drop)]
    return ": ".join(line.removeprefix("Error merging override ").removesuffix(":") for line in lines)


def unknown_key(error: ConfigAttributeError | ConfigKeyError) -> str:
    """Say which key is unknown and which there are beside it."""
    key = re.sub(r"\[(\d+)\]", r".\1", str(error.full_key or error.key))
    parent = error.parent_node
    if isinstance(parent, DictConfig) and not is_dataclass(OmegaConf.get_type(parent)):
        return f"{key} is not there yet: write +{key}=... to add it"
    beside = [str(name) for name in (parent or {})]
    return f"{key} is unknown{suggestion(key.rpartition('.')[2], beside)}"
