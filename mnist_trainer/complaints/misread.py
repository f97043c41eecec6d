"""What YAML reads as something else than it looks like: 010 is 8, 12:30 is 750, and no is false."""

import re
from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mnist_trainer.complaints.files import ConfFile, has_package_line
from mnist_trainer.complaints.values import type_at

_SUSPECT = re.compile(r"(?im)[:\s,\[-]\s*([-+]?0[\d_]+(?!\.)|[-+]?\d[\d_]*(:\d+)+|yes|no|on|off)\s*([],}#]|$)")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SIXTIETHS = re.compile(r"[-+]?[1-9][\d_]*(:[0-5]?\d)+(\.\d*)?")
BOOLEAN = "tag:yaml.org,2002:bool"
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def misread(file: ConfFile) -> Iterator[str]:
    """Say of a file's values, each with its line, which ones are read otherwise, and what to write instead."""
    try:
        text = file.path.read_text(encoding="utf-8")
        if not _SUSPECT.search(text):  # as nearly all: a search takes a hundredth of the time that parsing takes
            return
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return  # which is somebody else's to tell
    inside = "" if not file.group or has_package_line(text) else file.group.replace("/", ".")
    for key, value in _values(node, inside):
        if (said := _read_as(key, value)) is not None:
            yield f"{file.at(value.start_mark.line + 1)}: {key}: {value.value} without quotes is {said}"


def _values(node: Node | None, key: str) -> Iterator[tuple[str, ScalarNode]]:
    if isinstance(node, ScalarNode) and node.style is None:
        yield key, node
    elif isinstance(node, SequenceNode):
        for each in node.value:
            yield from _values(each, key)
    elif isinstance(node, MappingNode):
        for name, value in node.value:
            if isinstance(name, ScalarNode) and name.value != "defaults":
                yield from _values(value, f"{key}.{name.value}".lstrip("."))


def _read_as(key: str, value: ScalarNode) -> str | None:
    text = value.value
    if value.tag == BOOLEAN and type_at(key) in (str, str | None):
        return f"true or false in YAML: write '{text}'"
    if value.tag not in NUMBERS:
        return None
    if _OCTAL.fullmatch(text):
        read, meant = (int(text.replace("_", ""), base) for base in (8, 10))
        return f"the octal number {read} in YAML: write {meant}, or '{text}'"
    return f"a number to the base of 60 in YAML: write '{text}'" if _SIXTIETHS.fullmatch(text) else None
