"""What is wrong with a YAML file by itself, with the line: looked for when Hydra could not use it, and names none."""

import re
from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mnist_trainer.complaints.files import EXPERIMENT, HEADER, ConfFile, Folders, has_package_line
from mnist_trainer.config import GROUPS
from mnist_trainer.hyperparameters import suggestion
from mnist_trainer.words import shown

BOOLEAN, NULL = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def fault(file: ConfFile, folders: Folders, message: str) -> str | None:
    """Say what is wrong with a file by itself, and on which line; None if Hydra can use it as it stands.

    `message` is Hydra's.
    """
    try:
        text = file.path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = file.path.read_bytes()[: error.start].count(b"\n") + 1
        return f"{file.at(line)}: this is not UTF-8 ({error.reason}): save the file in that encoding"
    except OSError as error:
        return f"{shown(file.path)}: {error.strerror}"
    if text.startswith("\ufeff"):
        return f"{file.at(1)}: begins with a byte order mark: save the file as UTF-8 without one"
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            for again, first in repetitions(node):
                return f"{file.at(again.start_mark.line + 1)}: {again.value} stands in line {first} already"
            yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return said_of_yaml(file, error)
    except (ValueError, TypeError) as error:  # a date of month 13, say
        return f"{shown(file.path)}: {error}"
    except RecursionError:
        return f"{shown(file.path)}: is nested too deeply, or holds itself"
    found = [f"{file.at(line)}: {what}" for line, what in _of_structure(file, folders, text, node, message)]
    return "\n".join(found) or None


def repetitions(node: Node) -> Iterator[tuple[ScalarNode, int]]:
    """Find keys that stand twice in one mapping: the second, and the line of the first."""
    pairs = node.value if isinstance(node, MappingNode) else []
    seen: dict[object, int] = {}
    for key, value in pairs:
        if isinstance(key, ScalarNode):
            if key.value in seen and key.value != "<<":
                yield key, seen[key.value]
            seen.setdefault(key.value, key.start_mark.line + 1)
        yield from repetitions(value)
    for each in node.value if isinstance(node, SequenceNode) else []:
        yield from repetitions(each)


def said_of_yaml(file: ConfFile, error: yaml.YAMLError) -> str:
    """Say in plain words what YAML can't read."""
    if isinstance(error, yaml.reader.ReaderError):
        sign = error.character if isinstance(error.character, int) else ord(error.character)
        return f"{shown(file.path)}: holds the character #x{sign:04x}: this is no text file"
    opened = getattr(error, "context_mark", None)
    mark = getattr(error, "problem_mark", None) or opened
    line = mark.line + 1 if mark is not None else 1
    begun = opened.line + 1 if opened is not None else line
    problem, context = (str(getattr(error, key, None) or "") for key in ("problem", "context"))
    if "'\\t'" in problem:
        return f"{file.at(line)}: begins with a tab; YAML indents with spaces"
    if "quoted scalar" in context:
        return f"{file.at(begun)}: a quote is opened and not closed"
    if "flow" in context:
        return f"{file.at(begun)}: a bracket is opened and not closed, or a comma is missing"
    if "mapping values are not allowed" in problem:
        what = "a colon where none can be: is the line above without its 'key: ', or indented otherwise? A value that "
        return f"{file.at(line)}: {what}holds ': ' stands in quotes"
    if "single document" in context:
        return f"{file.at(line)}: a second document begins, with ---; a file has one"
    if "could not find expected ':'" in problem:
        return f"{file.at(begun)}: has no 'key: '"
    if "undefined alias" in problem:
        return f"{file.at(line)}: *{problem.rpartition(' ')[2].strip(chr(39))} names no &anchor above it"
    if "could not determine a constructor" in problem:
        tag = problem.rpartition(" ")[2].strip("'").replace("tag:yaml.org,2002:", "!!")
        return f"{file.at(line)}: {tag}: values are plain here, without tags"
    if "expected <block end>" in problem:
        return f"{file.at(line)}: is indented otherwise than the lines above"
    return f"{file.at(line)}: {problem or error}"


def _of_structure(
    file: ConfFile, folders: Folders, text: str, node: Node | None, message: str
) -> Iterator[tuple[int, str]]:
    """Tell what is wrong in how a file says what it says, each with its line."""
    if file.group == EXPERIMENT and not has_package_line(text):
        at = next((n for n, line in enumerate(text.splitlines(), 1) if "package" in line and line.startswith("#")), 1)
        yield at, f"an experiment's first line is {HEADER!r}; its keys would be those of a group otherwise"
    keys = [key.value for key, _ in node.value] if isinstance(node, MappingNode) else []
    if not file.group and "defaults" not in keys and (node is None or keys):
        yield 1, "a main file begins with 'defaults: [config, _self_]': there are no groups otherwise"
    if node is None:
        return
    if not isinstance(node, MappingNode):
        yield node.start_mark.line + 1, f"{_kind(node)} where keys with values belong, as in 'epochs: 3'"
        return
    for key, value in node.value:
        if isinstance(key, ScalarNode) and key.value == "defaults":
            yield from _of_defaults(file, folders, value, message)
        elif key.value in GROUPS and (not file.group or has_package_line(text)) and not isinstance(value, MappingNode):
            said = f"{key.value}: {_kind(value)} where keys of the group belong; a choice of it stands in defaults"
            choice = value.value if isinstance(value, ScalarNode) and value.value else "NAME"
            yield key.start_mark.line + 1, f"{said}: '- override /{key.value}: {choice}'"
        elif key.tag != "tag:yaml.org,2002:str":
            yield key.start_mark.line + 1, f"{key.value if isinstance(key, ScalarNode) else 'this'}: a key is a word"


def _of_defaults(file: ConfFile, folders: Folders, node: Node, message: str) -> Iterator[tuple[int, str]]:
    form = "a list, as in '- override /optimizer: adam'"
    if not isinstance(node, SequenceNode):
        yield node.start_mark.line + 1, f"defaults is {form}; this is {_kind(node)}"
        return
    missing = re.search(r"Could not load '([^']*)'", message)
    whole = file.group == EXPERIMENT or any(item.value == "config" for item in node.value)
    for item in node.value:
        line = item.start_mark.line + 1
        if isinstance(item, ScalarNode):
            name = item.value[1:] if item.value[:1] == "/" else f"{file.group}/{item.value}".lstrip("/")
            if item.tag != "tag:yaml.org,2002:str":
                yield line, f"{item.value or 'nothing'}: defaults is {form}"
            elif name == file.name:
                yield line, f"{item.value}: the file would be composed of itself"
            elif missing and re.fullmatch(f"(.*/)?{re.escape(item.value.strip('/').partition('@')[0])}", missing[1]):
                yield line, f"{missing[1]}: no such file"
        elif not isinstance(item, MappingNode):
            yield line, f"{_kind(item)}: defaults is {form}"
        elif len(item.value) != 1:
            yield line, f"{len(item.value)} choices in one entry of defaults: begin each with a dash"
        else:
            ((key, value),) = item.value
            words = str(key.value)
            yield from ((line, what) for what in _of_choice(words, value))
            if "Could not" in message:
                yield from ((line, what) for what in _of_name(file, folders, words, value))
            elif whole and "Multiple values" in message and "override" not in words.split() and "@" not in words:
                name = words.split()[-1]
                yield line, f"{words}: there is a choice already: write 'override {name}'"


def _of_choice(key: str, value: Node) -> Iterator[str]:
    """Tell of a choice that is no name."""
    name = key.split()[-1].partition("@")[0].lstrip("/")
    if isinstance(value, ScalarNode) and value.tag in (BOOLEAN, *NUMBERS):
        what = f"{value.value} without quotes is {'true or false' if value.tag == BOOLEAN else 'a number'} in YAML"
        yield f"{what}: write {key}: '{value.value}'"
    elif isinstance(value, MappingNode):
        yield f"{key}: a choice is a name; its keys stand below defaults, by themselves"
    elif isinstance(value, ScalarNode) and value.tag == NULL and name in GROUPS:
        yield f"{key}: every run has its {name}: leave this line out for the default"


def _of_name(file: ConfFile, folders: Folders, key: str, value: Node) -> Iterator[str]:
    """Tell of a group, or a choice of one, that isn't there; those that plugins keep elsewhere are not known here."""
    group, _, package = key.split()[-1].partition("@")
    name, choice = group.lstrip("/"), str(value.value)
    listed = [*folders.groups(), "hydra"]
    if file.group and group[:1] != "/" and not folders.choices(f"{file.group}/{group}"):
        if name in listed:
            override = "override " if file.group == EXPERIMENT else ""
            yield f"{key}: write {override}/{name}: without the slash it is looked for in {file.group}/"
    elif name.partition("/")[0] not in listed and not package and name != "schema":
        yield f"{name} is unknown{suggestion(name, folders.groups())}"
    elif value.tag != NULL and name in (*GROUPS, EXPERIMENT) and choice not in (*(there := folders.choices(name)), ""):
        yield f"{name}={choice} is unknown{suggestion(choice, there)}"


def _kind(node: Node) -> str:
    if isinstance(node, SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, MappingNode) else f"{node.value!r}" if node.value else "nothing"
