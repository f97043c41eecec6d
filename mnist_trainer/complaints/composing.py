"""What Hydra could not compose: the override, or the line of a file, that it was, and what would fit."""

import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.complaints.choices import of_a_choice
from mnist_trainer.complaints.command_line import can_be_read, unreadable
from mnist_trainer.complaints.faults import fault
from mnist_trainer.complaints.files import EXPERIMENT, ConfFile, Folders, line_of
from mnist_trainer.complaints.origin import with_text
from mnist_trainer.complaints.values import key_in, said
from mnist_trainer.errors import error_in_words
from mnist_trainer.words import shown

UNEXPECTED = (
    *(HydraException, OmegaConfBaseException, yaml.YAMLError),
    *(UserWarning, ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError, OverflowError),
)
"""What composing raises: the latter, of overrides and files that Hydra did not expect."""


def explain(error: Exception, overrides: Sequence[str], conf: Path) -> str:
    """Say in a line or a few what can't be composed, why, and what would fit; `conf` is the program's own folder."""
    for override in overrides:
        if not can_be_read(override):
            return unreadable(override)
    folders, failing = _folders(error, conf), _failing(error)
    places = [file for name in failing if (file := folders.find(name))]
    message, candidates = str(error), list(_candidates(error, overrides, folders))
    for file in dict.fromkeys([*places, *candidates]):
        if found := fault(file, folders, message):
            return found
    cause = _omegaconf_s(error)
    if isinstance(cause, OmegaConfBaseException):
        return _placed(cause, places, overrides, candidates, conf)
    if told := of_a_choice(message, overrides, folders):
        return told
    if parsing := re.match(r"Error parsing override '(.*)'\s*$", message, re.MULTILINE):
        return unreadable(parsing[1])  # of a sweeper's params
    if isinstance(error, OSError):
        return error_in_words(error)
    if isinstance(error, RecursionError) and places:
        return f"{shown(places[0].path)}: is composed of itself: look at its defaults, and at those of what it names"
    return _in_other_words(error, overrides, candidates)


def _frames(error: BaseException) -> Iterator[dict[str, Any]]:
    """Return the variables of what ran when it was raised, the innermost first: Hydra names no file otherwise."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        yield frame.f_locals


def _failing(error: Exception) -> list[str]:
    """Return the names of the files that Hydra was at, the likeliest first."""
    message = str(error)
    found = re.findall(r"In '?([\w./-]+)'?:|Invalid defaults list in '([^']+)'", message)
    names = [first or second for first, second in found]
    for variables in _frames(error):
        names += [variables[key] for key in ("config_path", "normalized_config_path", "path") if key in variables]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _folders(error: Exception, conf: Path) -> Folders:
    """Return the folders that Hydra looked in: `-cd` and `hydra.searchpath` add to the program's own."""
    repositories = [each["repo"] for each in _frames(error) if hasattr(each.get("repo"), "get_sources")]
    if not repositories and GlobalHydra.instance().is_initialized():
        repositories = [GlobalHydra.instance().config_loader()]
    sources = repositories[0].get_sources() if repositories else []
    return Folders.of([source.full_path() for source in sources]) if sources else Folders([conf])


def _omegaconf_s(error: Exception) -> BaseException | None:
    chain = (error, error.__cause__, error.__context__)
    return next((each for each in chain if isinstance(each, OmegaConfBaseException)), None)


def _placed(
    error: OmegaConfBaseException,
    places: Sequence[ConfFile],
    overrides: Sequence[str],
    candidates: Sequence[ConfFile],
    conf: Path,
) -> str:
    """Say what OmegaConf did not take, with the line of the file that has it, or the override."""
    what, key = said(error, conf), key_in(error)
    if found := re.search(r"\$\{[^}.:]*", what):
        return with_text(found[0], what, overrides, iter(candidates))
    for file in places:
        if line := key and line_of(file, key):
            return f"{file.at(line)}: {what}"
    return what if key or not places else f"{shown(places[0].path)}: {what}"


def _candidates(error: Exception, overrides: Sequence[str], folders: Folders) -> Iterator[ConfFile]:
    """Return the files that the overrides choose, experiments first, and the main one."""
    chosen = [override.lstrip("+").partition("=")[::2] for override in overrides if "=" in override]
    names = [f"{group}/{choice}" for group, value in chosen for choice in re.split(r"[,\[\]]", value) if choice]
    names.sort(key=lambda name: not name.startswith(f"{EXPERIMENT}/"))
    main = [name for each in _frames(error) if isinstance(name := each.get("config_name"), str)]
    for name in dict.fromkeys([*names, *main]):
        if file := folders.find(name):
            yield file


def _in_other_words(error: Exception, overrides: Sequence[str], candidates: Sequence[ConfFile]) -> str:
    """Say what nothing else is known of, without Hydra's own talk of itself."""
    text = str(error)
    drop = ("Config search path", "provider=", "To append to your", "See http")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(drop)]
    said = ": ".join(line.removesuffix(":") for line in lines) or type(error).__name__
    if found := re.search(r"(.*?)(?:, set env var.*)?: full_key: (\S+)$", said):
        places = ((file, line_of(file, found[2])) for file in candidates)
        place = next((f"{file.at(line)}: " for file, line in places if line), "")
        return f"{place}{found[2]}: {found[1]}"
    if "--" in said:
        return said  # of options that don't go together
    if said.startswith("Unable to configure"):
        if isinstance(error.__cause__, OSError) and error.__cause__.filename:
            return f"{error_in_words(error.__cause__)}: a log is to be written there"
        return f"hydra.job_logging: {said}: {error.__cause__}"
    if found := re.search(r"No config source registered for schema (\w+)", said):
        return f"hydra.searchpath: {found[1]}://: files are looked for in folders, file://..., and modules, pkg://..."
    merging = [each for each in _frames(error) if "config_val" in each or "value" in each]
    at = next((each["override"] for each in merging if hasattr(each.get("override"), "input_line")), None)
    if at is not None:
        return f"{at.input_line}: can't be composed: {said}"
    named = f"{' '.join(overrides)}: " if overrides else ""
    return said if isinstance(error, HydraException) else f"{named}can't be composed: {said}"
