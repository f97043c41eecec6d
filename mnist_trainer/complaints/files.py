"""The YAML files that a configuration is composed of: where they lie, and on which line a key stands."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mnist_trainer.words import shown

EXPERIMENT = "experiment"
"""The group whose files are overrides of the whole configuration."""
HEADER = "# @package _global_"
_HEADER = re.compile(r"\s*(#\s*@.*\s+)*#\s*@package\s+_global_\s*$", re.MULTILINE)


@dataclass(frozen=True)
class ConfFile:
    """A file as Hydra knows it, `experiment/tiny`, and where it lies."""

    name: str
    path: Path

    def at(self, line: int) -> str:
        """Return a place in the file, in words."""
        return f"{shown(self.path)}, line {line}"

    @property
    def group(self) -> str:
        """The group that the file is a choice of; empty for a main configuration."""
        return self.name.rpartition("/")[0]


@dataclass(frozen=True)
class Folders:
    """The folders, in their order, that files are looked for in."""

    paths: Sequence[Path]

    @classmethod
    def of(cls, addresses: Sequence[str]) -> "Folders":
        """Return those at Hydra's addresses: `file:///somewhere`, `pkg://a_module.conf`; others hold no files."""
        return cls([path for address in addresses for path in _folder(address)])

    def find(self, name: str) -> ConfFile | None:
        """Return the file of this name, `experiment/tiny`; None if there is none."""
        name = name.removesuffix(".yaml")
        paths = (folder / f"{name}.yaml" for folder in self.paths)
        try:
            return next((ConfFile(name, path) for path in paths if path.is_file()), None)
        except (OSError, ValueError):  # a name too long for a file, or with a zero byte
            return None

    def choices(self, group: str) -> list[str]:
        """Return the choices of a group, those in folders of its own, as `mistakes/clipped`, too."""
        found = [
            path.relative_to(folder / group).with_suffix("").as_posix()
            for folder in self.paths
            for path in (folder / group).rglob("*.yaml")
            if path.is_file()
        ]
        return sorted(set(found))

    def groups(self) -> list[str]:
        """Return the groups that there are."""
        return sorted({path.name for folder in self.paths for path in folder.iterdir() if path.is_dir()})


def _folder(address: str) -> Iterator[Path]:
    scheme, _, place = address.rpartition("://")
    if scheme in ("", "file"):
        path = Path(place)
    elif scheme == "pkg":
        try:
            path = Path(str(resources.files(place.replace("/", "."))))
        except (ValueError, ImportError, TypeError):
            return
    else:
        return
    if path.is_dir():
        yield path


def line_of(file: ConfFile, key: str) -> int | None:
    """Return the line on which a file gives a key a value of its own; None if it doesn't, or can't be read.

    Of `model.layers.1.units` that is the line of `layers`' second entry where it has no `units`.
    """
    try:
        text = file.path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    parts = key.split(".")
    if file.group and not has_package_line(text):
        places = file.group.split("/")
        depth = next((n for n in range(len(places), 0, -1) if parts[:n] == places[:n]), None)
        if depth is None:
            return None
        parts = parts[depth:]
    line = None
    for depth, part in enumerate(parts):
        below = _below(node, part)
        if below is None:
            return line if depth > 1 or isinstance(node, SequenceNode) else None
        at, node = below
        line = at.start_mark.line + 1
    computed = isinstance(node, ScalarNode) and ("${" in node.value or node.value == "???")
    return None if computed else line


def has_package_line(text: str) -> bool:
    """Tell whether a file's text begins with the line that makes its keys those of the whole configuration."""
    return _HEADER.match(text) is not None


def _below(node: Node | None, part: str) -> tuple[Node, Node] | None:
    """Return where an entry begins, and its value."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in reversed(node.value) if key.value == part), None)
    if isinstance(node, SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        return node.value[int(part)], node.value[int(part)]
    return None
