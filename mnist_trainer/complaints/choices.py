"""What Hydra says of groups and their choices, and of sweeps, in words: what was chosen, and what there is."""

import re
import typing
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from mnist_trainer.complaints.command_line import typed
from mnist_trainer.complaints.files import EXPERIMENT, Folders
from mnist_trainer.complaints.values import type_at
from mnist_trainer.hyperparameters import nearest, suggestion
from mnist_trainer.words import given, shown

SUBMITIT = '"hydra-submitit-launcher>=1.2,<2" "submitit>=1.5,<2"'
LAUNCHERS = {
    "joblib": '"hydra-joblib-launcher>=1.2,<2"',
    "ray": '"hydra-ray-launcher>=1.2.2,<2" "ray>=2.59,<3"',
    "submitit_slurm": SUBMITIT,
    "submitit_local": SUBMITIT,
}
"""Hydra's launchers by plugins, and what pip installs for them: as the extras say."""
FALSE = ("off", "none")
"""Choices that are meant by `false`, `no` and `null`."""


def of_a_choice(message: str, overrides: Sequence[str], folders: Folders) -> str | None:
    """Return what Hydra's message comes to; None of one that isn't of choices."""
    if found := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':\n((?:\t.*\n?)+)", message):
        choice, group, options = found.groups()
        return unknown_choice(group, choice.removeprefix(f"{group}/"), folders, options.split())
    if "Config group override must be" in message:
        return _without_a_name(overrides, folders)
    if found := re.search(r"Ambiguous value for argument '(.*)'|Sweep parameters '(.*)' requires", message):
        return several(found[1] or found[2])
    if found := re.search(r"Multiple values for (\S+)\.", message):
        plus = [override for override in overrides if override.lstrip("+").startswith(f"{found[1]}=")]
        told = plus[0] if plus else found[1]
        return f"{told}: {found[1]} has a choice already: say {told.lstrip('+')}" if plus else f"{told}: two choices"
    if found := re.search(r"force-add of config groups is not supported: '(\+*(.*))'", message):
        return f"{found[1]}: say {found[2]}"
    if found := re.search(r"Could not override '([^']+)'", message):
        group, at, package = found[1].partition("@")
        told = next((override for override in overrides if override.lstrip("+").startswith(found[1])), found[1])
        return f"{told}: say {told.replace(at + package, '')}" if at else f"{told}: no such group"
    if found := re.search(r"You must specify '([^']+)'", message):
        return f"{found[1]} has no choice{suggestion('', folders.choices(found[1]))}"
    if found := re.search(r"Could not delete (?:from config\. )?'([^']+)'", message):
        return f"~{found[1]}: there is no {found[1]} to leave out"
    if found := re.search(r"Sweeping over Hydra's configuration is not supported : '(.*)'", message):
        return f"{found[1]}: hydra's own keys are the same for all jobs of a sweep: give one value"
    if "Can only enumerate CHOICE and RANGE sweeps" in message or "does not support sweep type" in message:
        told = next((override for override in overrides if "interval(" in override), "interval(...)")
        return f"{told}: its values have no end: hydra/sweeper=optuna draws some; range(...) and a,b,c are finite"
    if found := re.search(r"Cannot find primary config '([^']+)'", message):
        own = [folder for folder in folders.paths if folder.parent.name != "hydra"]
        there = {path.stem for folder in own for path in folder.glob("*.yaml")}
        name = found[1].rpartition("/")[2].removesuffix(".yaml")
        return f"--config-name {found[1]}: not in {', '.join(map(shown, own))}{suggestion(name, there)}"
    if found := re.search(r"Additional config directory '(.*)' not found", message):
        return f"--config-dir: {shown(Path(found[1]))}: no such folder"
    if found := re.search(r"Primary config (?:module|directory).*?'(.*?)'", message, re.DOTALL):
        return f"--config-path: {found[1]}: no such folder; it is an absolute one"
    if found := re.search(r"Override ((.*?)@\S*?(=.*)) looks like", message):
        return f"{found[1]}: say {found[2]}{found[3]}"
    if found := re.search(r"Could not load '([^']+)'", message):
        return f"defaults: {found[1]}: no such file"
    if found := re.search(r"provider=hydra.searchpath in .*, path=(.*) is not available", message):
        return f"hydra.searchpath: {found[1]}: there is no such folder, or module with an __init__.py, here"
    return None


def unknown_choice(group: str, name: str, folders: Folders, stored: Sequence[str]) -> str:
    """Say that a group has no such choice, and which it has, or where a plugin's are."""
    if group == "hydra/launcher" and name in LAUNCHERS:
        return f"{group}={name}: Hydra's plugin for it is not installed: pip install {LAUNCHERS[name]}"
    bare, choices = name.rpartition("/")[2].removesuffix(".yaml"), {*stored, *folders.choices(group)}
    inside = [choice for choice in choices if choice.rpartition("/")[2].lower() == bare.lower()]
    if len(inside) == 1 and name not in choices:
        return f"{group}={name} is unknown; did you mean {inside[0]!r}? (one of: {', '.join(sorted(choices))})"
    more = ""
    if bare in (path.stem for folder in folders.paths for path in (folder / group).glob("*.yml")):
        more = f"; a file's name ends in .yaml: {bare}.yml is not looked at"
    elif "custom" in choices and group != "model" and not nearest(name, choices):
        more = f"; what a plugin registered is {group}=custom {group}.name={bare}"
    return f"{group}={name} is unknown{suggestion(name, choices)}{more}"


def several(override: str) -> str:
    """Say what several values of a key can mean, where no sweep was asked for."""
    key, _, value = override.partition("=")
    if "(" in value:
        return f"{override}: several values are a sweep: add --multirun"
    hint, more = type_at(key), ""
    if typing.get_origin(hint) is list:
        more = f'; for a list, say "{key}=[{value}]"'
    elif hint in (str, str | None):
        more = f"; for one word, say {typed(given(key, value))}"
    elif re.fullmatch(r"\d+,\d+" if hint is float else r"[1-9]\d{0,2}(,\d{3})+", value):  # 0,1 or 60,000
        more = f"; for one number, say {key}={value.replace(',', '.' if hint is float else '')}"
    return f"{override}: several values: for a sweep over them, add --multirun{more}"


def _without_a_name(overrides: Sequence[str], folders: Folders) -> str | None:
    """Say which group was given a number, or nothing, in the place of a choice's name."""
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        read = OverridesParser.create().parse_override(override)
        if read.is_sweep_override() or isinstance(read.value(), str | list | dict):
            continue
        choices = folders.choices(key)
        if not choices:
            continue
        instead = next((each for each in FALSE if each in choices), None)
        if instead is not None and read.value() in (None, False):
            return f"{override}: a choice is a name: say {key}={instead}"
        return f"{override}: a choice is a name{suggestion(value, choices)}"
    if any(override.lstrip("+").startswith(f"{EXPERIMENT}=null") for override in overrides):
        return f"{EXPERIMENT}=null: leave it out"
    return None
