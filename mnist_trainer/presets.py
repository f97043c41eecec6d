"""The files in `conf/` as what their names say: a choice may be changed, but not into another under its name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.config import SCHEMAS, Config, LayersConfig
from mnist_trainer.hyperparameters import suggestion

OPEN = ("custom", "idx")
"""Choices that leave their name to the user."""


def misnamed_choices(config: Config, choices: Mapping[str, str | None], folder: Path) -> list[str]:
    """Tell where a group's choice is no longer what its name says; `folder` has the choices' files."""
    found = []
    for group, choice in choices.items():
        part = getattr(config, group, None)
        name = getattr(part, "name", None)
        if choice is None or name is None:
            continue
        if choice in OPEN:
            if group == "model" and name != choice and (folder / group / f"{name}.yaml").exists():
                found.append(f"{group}.name={name}: that is another choice's name: {group}={name}")
            continue
        if not (folder / group / f"{choice}.yaml").exists():  # the user's own, called as it likes
            continue
        own = choice.rpartition("/")[2]
        if name != own and name != (own := read_choice(folder, group, choice).get("name", own)):
            found.append(f"{group}.name={name}: {group}={choice} is called {own}{_preset_instead(folder, group, name)}")
        if isinstance(part, LayersConfig):
            found += _other_layers(part.layers, read_choice(folder, group, choice).get("layers"), choice)
    return found


def presets_having(key: str, folder: Path) -> str:
    """End a sentence on an unknown key: the choices of its group that have it, if there are any."""
    group, _, name = key.partition(".")
    there = [
        path.replace("/", "=")
        for path, schema in SCHEMAS.items()
        if path.startswith(f"{group}/") and name in {field.name for field in fields(schema)}
    ]
    there = [choice for choice in there if (folder / f"{choice.replace('=', '/')}.yaml").exists()]
    if not there and name:  # their schema is not called as they are
        choices = sorted(path.stem for path in (folder / group).glob("*.yaml"))
        there = [f"{group}={choice}" for choice in choices if name in read_choice(folder, group, choice)]
    if key == "model.layers":
        there = ["model=custom"]
    return f"; {', '.join(there)} {'has' if len(there) == 1 else 'have'} it" if there and name else ""


def read_choice(folder: Path, group: str, choice: str) -> Mapping[str, Any]:
    """Read a choice's own file, as it stands; nothing of one that lies elsewhere, or can't be read."""
    try:
        found = OmegaConf.to_container(OmegaConf.load(folder / group / f"{choice}.yaml"))
    except (OSError, ValueError, OmegaConfBaseException):
        return {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _preset_instead(folder: Path, group: str, name: str) -> str:
    choices = [str(path.relative_to(folder / group).with_suffix("")) for path in (folder / group).rglob("*.yaml")]
    if name in choices:
        return f"; say {group}={name}"
    return suggestion(name, choices) if name else ""


def _other_layers(layers: Sequence[object], own: object, choice: str) -> Iterator[str]:
    """Tell that a preset's list has other kinds of layers than its file: their sizes may be others."""
    if not isinstance(own, list):
        return
    wanted, found = list(_layer_kinds(own)), list(_layer_kinds(layers))
    if wanted != found:
        yield (
            f"model.layers: model={choice} is {', '.join(wanted)}; these are {', '.join(found) or 'none'}: a list of "
            "your own is model=custom"
        )


def _layer_kinds(layers: Sequence[object]) -> Iterator[str]:
    for layer in layers:
        if isinstance(layer, Mapping):
            nested = layer.get("layers")
            yield f"{layer.get('kind')}" + (f" [{', '.join(_layer_kinds(nested))}]" if isinstance(nested, list) else "")
        else:
            yield str(layer)
