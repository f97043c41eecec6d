"""The command line as people type it: `--epochs 1`, `train`, `data.root=~/x`; what of it is meant, or what to type."""

import os
import re
import shlex
import typing
from collections.abc import Iterator, Sequence

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mnist_trainer.complaints.files import EXPERIMENT, Folders
from mnist_trainer.complaints.values import all_keys, meant_by, type_at
from mnist_trainer.config import GROUPS
from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import nearest
from mnist_trainer.words import given

DEEPEST = 24
_HOME = re.compile(r"(?<=[=,\[])(\s*)~(?=[/,\]]|$)")
_KEY = re.compile(r"~?\+{0,2}[\w/-]+(\.[\w-]+)*(@[\w.:-]+)?")
_SWEEPS = ("choice", "range", "interval", "glob", "shuffle", "sort", "tag", "int", "float", "str", "bool")


def options_and_overrides(arguments: Sequence[str]) -> list[str]:
    """Return what of the arguments is no option.

    Raises `ConfigError` for an option that there isn't, and says which override or option is meant.
    """
    parser = get_args_parser()

    def fail(message: str) -> None:
        raise ConfigError(f"{message} (--help tells more)")

    parser.error = fail  # type: ignore[method-assign,assignment]
    options = sorted(option for action in parser._actions for option in action.option_strings if option[:2] == "--")
    found, unknown = parser.parse_known_args(list(arguments))
    if found.experimental_rerun is not None:
        instead = "resume=FOLDER goes on with it, and FOLDER/.hydra/overrides.yaml has its overrides for a new one"
        raise ConfigError(f"--experimental-rerun: a run's folder holds that run already: {instead}")
    for each in unknown:
        name, _, value = each.lstrip("-").partition("=")
        key = _key_meant(name.replace("-", "_"))
        if key is not None:
            following = arguments[arguments.index(each) + 1 :][:1]
            value = value or "".join(word for word in following if "=" not in word and word[:1] != "-") or "..."
            raise ConfigError(f"{each}: values are given without dashes: say {typed(given_as(key, value))}")
        near = nearest(f"--{name}", options)
        raise ConfigError(f"{each}: no such option{f'; did you mean {near}?' if near else ''} (--help lists them)")
    return list(found.overrides)


def read(overrides: Sequence[str], folders: Folders) -> list[str]:
    """Return the overrides as Hydra can read them, with `~` in a path written out as a shell would.

    Raises `ConfigError` for words that are no overrides, and for what Hydra's parser would not come back from.
    """
    found = list(_problems(overrides, folders))
    if found:
        raise ConfigError(*found)
    home = os.path.expanduser("~")  # noqa: PTH111  (a user may have none: then it is ~ itself)
    return [_at_home(override, home) for override in overrides]


def _at_home(override: str, home: str) -> str:
    if "~" not in override or not _HOME.search(override) or "'" in override or '"' in override:
        return override
    written = _HOME.sub(lambda found: found[1] + home, override)
    key, _, value = written.partition("=")
    return written if re.fullmatch(r"[\w./-]+", home) or value[:1] == "[" or "," in value else given(key, value)


def _problems(overrides: Sequence[str], folders: Folders) -> Iterator[str]:
    for number, override in enumerate(overrides):
        deep = _depth(override) > DEEPEST
        if deep:
            yield f"{override[:60]}…: its brackets are nested more than {DEEPEST} deep"
            return
        if "=" not in override and not override.startswith("~"):
            yield _no_override(override, overrides[number + 1 :], overrides, folders)
            return
        key, _, value = override.partition("=")
        if not key.strip("+~ "):
            yield f"{override}: no key before the =; an override is KEY=VALUE, as in epochs=3"
        if key in GROUPS and value.startswith("["):
            inside = value.strip("[] ")
            yield f"{override}: {key} has one choice; a sweep tries several: --multirun {key}={inside}"
        if override.startswith("~") and key[1:] in (*GROUPS, "epochs", "batch_size", "seed", "name", "outputs"):
            yield f"{override}: every run has its {key[1:]}: leave {override} out for the default"


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in text:
        depth += (sign in "[{(") - (sign in ")}]")
        deepest = max(deepest, depth)
    return deepest


def _no_override(word: str, following: Sequence[str], overrides: Sequence[str], folders: Folders) -> str:
    """Say what a word without an equals sign may mean."""
    text = word.strip()
    if not text:
        return f"{word!r}: nothing to read; an override is KEY=VALUE, as in epochs=3"
    if text in folders.choices("task"):
        return f"{word}: say task={text}"
    if text in ("help", "multirun", "version", "sweep"):
        return f"{word}: say --{text.replace('sweep', 'multirun')}"
    if parted := re.fullmatch(r"([\w.]+)\s*:\s*(.+)", text):
        return f"{word}: say {typed(given_as(_key_meant(parted[1]) or parted[1], parted[2]))}"
    if any(override.endswith((",", "[")) for override in overrides):
        return f"{word}: a blank parts arguments: write several values without, or in quotes, as in loss=fused,separate"
    if key := _key_meant(text):
        value = next((each for each in following if "=" not in each), "...")
        return f"{word}: say {typed(given_as(key, value))}"
    for group in (EXPERIMENT, *GROUPS):
        if text in folders.choices(group):
            return f"{word}: say {group}={text}"
    near = nearest(text, folders.choices("task"))
    more = f"; did you mean task={near}?" if near else ""
    return f"{word}: an override is KEY=VALUE, as in epochs=3{more} (--help lists what there is)"


def _key_meant(name: str) -> str | None:
    """Return the key, or group, that a name stands for."""
    if name in (*all_keys(), *GROUPS, EXPERIMENT):
        return name
    return None if (meant := meant_by(name)) is None or " or " in meant else meant


def unreadable(override: str) -> str:
    """Say why Hydra's grammar can't read an override, and what to type."""
    key, _, value = override.partition("=")
    if not _KEY.fullmatch(key):
        plain = re.sub(r"[\s:,/.]+", ".", re.sub(r"\[(\d+|\w+)\]", r".\1", key)).strip(".+ ")
        return f"{override}: a key is words with dots between: say {typed(f'{_key_meant(plain) or plain}={value}')}"
    if value.startswith("="):
        return f"{override}: one = is enough: say {typed(f'{key}={value[1:]}')}"
    if (commas := re.sub(r",[\s,]*,", ",", value).strip(", ")) != value.strip() and can_be_read(f"{key}={commas}"):
        return f"{override}: a comma with nothing on its other side: say {typed(f'{key}={commas}')}"
    if typing.get_origin(type_at(key)) is list and (parted := re.fullmatch(r"\(([^()]*)\)", value.strip())):
        inside = parted[1].strip(", ")
        return f"{override}: a list has square brackets: say {typed(f'{key}=[{inside}]')}"
    if (left := sum(map(value.count, "[{("))) != (right := sum(map(value.count, ")}]"))):
        return f"{override}: {'a bracket is not closed' if left > right else 'a bracket is closed that was not opened'}"
    called = re.match(r"\s*(\w+)\(", value)
    if called and called[1] not in _SWEEPS and (near := nearest(called[1], _SWEEPS)):
        return f"{override}: did you mean {near}(...)?"
    if called and called[1] in _SWEEPS:
        return f"{override}: {called[1]}(...) can't be read: as in range(1,10), choice(a,b), interval(0,1), glob(*)"
    say = f"\"{key}=['a b', 'c']\"" if value[:1] == "[" else typed(given_as(key, value))
    return f"{override} can't be read: what is not letters, digits and -./:%_ alone stands in quotes: say {say}"


def can_be_read(override: str) -> bool:
    """Tell whether Hydra's grammar has a place for an override."""
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def given_as(key: str, value: str) -> str:
    """Return the override as people write it, or in quotes where it can't be read so."""
    plain = f"{key}={value}"
    return plain if value == "..." or can_be_read(plain) else given(key, value.strip("'\""))


def typed(override: str) -> str:
    """Return an override as a shell takes it."""
    if re.fullmatch(r"[\w.,/:%@+=-]+", override):
        return override
    if not re.search(r"[\"$`!]", override):
        return '"' + override.replace("\\", "\\\\") + '"'
    return shlex.quote(override)
