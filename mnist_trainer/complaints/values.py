"""What OmegaConf could not put in a key's place, in words: unknown keys, values of another type, interpolations."""

import re
import typing
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path

from omegaconf import DictConfig, ListConfig, Node, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigIndexError,
    ConfigKeyError,
    GrammarParseError,
    InterpolationResolutionError,
    OmegaConfBaseException,
    ValidationError,
)

from mnist_trainer.config import SCHEMAS, CommandConfig
from mnist_trainer.hyperparameters import suggestion, type_in_words
from mnist_trainer.presets import presets_having

TAKEN_FOR = {"learning_rate": "lr", "bs": "batch_size", "max_epochs": "epochs", "num_epochs": "epochs"}
"""What other programs call a key."""


def said(error: OmegaConfBaseException, folder: Path) -> str:
    """Say which key it was and what would fit; `folder` has the choices' files."""
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return unknown_key(error, folder)
    key = key_in(error)
    value = error.value._value() if isinstance(error.value, Node) else error.value
    if found := re.search(r"Missing mandatory value: (\S+)", str(error)):
        return f"{found[1]} is missing: give it a value, as in {found[1]}=..."
    if isinstance(error, GrammarParseError):
        return f"{value}: can't be read: an interpolation is ${{KEY}}; quote what is none with a backslash: \\${{"
    if isinstance(error, InterpolationResolutionError) and not isinstance(error, ValidationError):
        return interpolation(error, key)
    if isinstance(error, ConfigIndexError):
        parent = error.parent_node
        last = len(parent) - 1 if isinstance(parent, ListConfig) else 0
        return f"{key}: there is none; the last one is {key.rpartition('.')[0]}.{last}"
    hint = type_of(error)
    if isinstance(error, ValidationError) and key and hint is not None:
        given = "null" if value is None else f"{value}"
        inside = f"{value}".strip("[]() ")
        is_list = typing.get_origin(hint) is list and isinstance(value, int | float | str)
        example = f", as in {key}=[{inside}]" if is_list else ""
        return f"{key}={given} has the wrong type: must be {type_in_words(hint)}{example}"
    text = str(error).partition("\n")[0]
    if key and "Cannot merge DictConfig with ListConfig" in text:
        return f"{key}: has the wrong type: must be a list, as in {key}=[...]"
    return f"{key}: {text}" if key and key not in text else text


def key_in(error: OmegaConfBaseException) -> str:
    """Return the key that an error is about, `model.hidden.1`; empty if it names none."""
    return re.sub(r"\[(\d+)\]", r".\1", str(error.full_key or error.key or ""))


def type_of(error: OmegaConfBaseException) -> object:
    """Return the type that a key's value has to have; None if its parent doesn't tell."""
    parent = error.parent_node
    schema = None if parent is None else OmegaConf.get_type(parent)
    if isinstance(parent, ListConfig):
        elements = typing.get_args(error.ref_type)
        return elements[0] if elements else None
    if schema is None or not is_dataclass(schema):
        return None
    hint = typing.get_type_hints(schema).get(str(error.key))
    for each in (hint, *typing.get_args(hint)):
        if isinstance(each, type) and issubclass(each, Enum):
            return typing.Literal[tuple(each.__members__)]
    return hint


def unknown_key(error: ConfigAttributeError | ConfigKeyError, folder: Path) -> str:
    """Say which key is unknown and which there are beside it."""
    key, parent = key_in(error), error.parent_node
    if isinstance(parent, DictConfig) and not is_dataclass(OmegaConf.get_type(parent)):
        return f"{key} is not there yet: write +{key}=... to add it"
    return f"{key} is unknown{instead(key, [str(name) for name in (parent or {})], folder)}"


def instead(key: str, beside: list[str], folder: Path) -> str:
    """End a sentence on an unknown key: where else it is, or the keys that are beside it, and who has it."""
    group, _, name = key.partition(".")
    if name == group:
        return f": the keys of {group} stand in its file by themselves, without {group}: above them"
    if (meant := meant_by(key)) and meant != key:
        return f"; say {meant}"
    return f"{suggestion(key.rpartition('.')[2], beside)}{presets_having(key, folder)}"


def meant_by(key: str) -> str | None:
    """Return the key that is meant by one that there isn't: `optimizer.lr` by `lr`, or `optimizer_lr`."""
    known = all_keys()
    plain = {name.replace(".", "_").lower(): name for name in known}
    group, dot, last = key.rpartition(".")
    name = TAKEN_FOR.get(last.lower(), last.lower())
    if found := plain.get(re.sub(r"\W", "_", f"{group}{dot}{name}").lower()):
        return found
    there = [] if dot else [each for each in known if each.rpartition(".")[2] == name]
    return " or ".join(there) or None


def all_keys() -> dict[str, object]:
    """Return all keys that a command line can have, of whatever choices, with their types: `seed`, `optimizer.lr`."""
    inside = {
        f"{path.partition('/')[0]}.{name}": hint
        for path, schema in SCHEMAS.items()
        for name, hint in typing.get_type_hints(schema).items()
    }
    return {**typing.get_type_hints(CommandConfig), **inside, "sweep.resume": str}


def type_at(key: str) -> object:
    """Return the type of a key's values; None of an unknown one."""
    return all_keys().get(key.lstrip("+"))


def interpolation(error: InterpolationResolutionError, key: str) -> str:
    """Say what an interpolation, `${...}`, does not find, or that it is the value of a key by way of itself."""
    text = str(error).partition("\n")[0]
    if text.startswith("Recursive interpolation"):
        root = None if error.parent_node is None else error.parent_node._get_root()
        circle = None if root is None else _circle(key, OmegaConf.to_container(root, resolve=False))
        return f"{circle or f'{key} is computed from itself'}: give it a value"
    if found := re.search(r"Interpolation key '([^']+)' not found", text):
        return f"${{{found[1]}}}: there is no key {found[1]}"
    if found := re.search(r"Unsupported interpolation type (\S+)", text):
        return f"${{{found[1]}:...}}: nothing is called so; an environment's variable is ${{oc.env:NAME}}"
    if found := re.search(r"Environment variable '([^']+)' not found", text):
        return f"${{oc.env:{found[1]}}}: the environment has no {found[1]}"
    if found := re.search(r"ConfigError raised while resolving interpolation: (.*)", text):
        return found[1]
    return text


def _circle(key: str, values: object, way: tuple[str, ...] = ()) -> str | None:
    """Say which key a circle of interpolations comes back to, on a way from this one; None if there is none."""
    value = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if key in way:
        return f"{value}: {key} is computed from itself"
    named = re.findall(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else []
    return next(filter(None, (_circle(each, values, (*way, key)) for each in named)), None)
