"""What the events of a journal hold: each kind's keys, and what fits there. A line that doesn't is no event."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from mnist_trainer.files import parse_object

Event = dict[str, Any]
Check = Callable[[Any], bool]


def _text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value  # it may be, or become, a path


def _text_or_none(value: object) -> bool:
    return value is None or _text(value)


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63  # MLflow's databases hold no more


def _number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 1 << 63)


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _numbers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_number, value.values()))


def _words(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _names(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _square(value: object) -> bool:
    rows = value if isinstance(value, list) else [None]
    return all(isinstance(row, list) and len(row) == len(rows) and all(map(_whole, row)) for row in rows)


def _id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is not None  # it names a file, too


def _id_or_none(value: object) -> bool:
    return value is None or _id(value)


def _inside(value: object) -> bool:
    """Whether a path stays in the run's folder: a journal from elsewhere must not send other files to MLflow."""
    return isinstance(value, str) and not re.search(r"^/|\0|(^|/)\.\.(/|$)", value)


def _one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


WRITER: Mapping[str, Check] = {
    "uri": _text_or_none,
    "mode": _one_of("mlflow", "off"),
    "store_folder": _text,
    "pid": _whole,
    "process_start": _whole,
    "host": _text,
}
"""Who writes, and where it is sent to: what a `resume` event says anew."""

KINDS: Mapping[str, Mapping[str, Check]] = {
    "start": {
        "run": _id,
        "kind": _one_of("run", "sweep", "comparison"),
        "experiment": _text,
        "name": _text,
        "parent": _id_or_none,
        "start_time": _whole,
        **WRITER,
    },
    "resume": {"step": _whole, **WRITER},
    "params": {"params": _mapping},
    "tags": {"tags": _words},
    "dataset": {"name": _text, "digest": _text, "source": _text, "schema": _mapping, "profile": _mapping},
    "metrics": {"step": _whole, "metrics": _numbers},
    "confusion": {"matrix": _square, "class_names": _names},
    "artifact": {"name": _inside, "folder": lambda value: value is None or _inside(value)},
    "end": {"status": _one_of("FINISHED", "FAILED", "KILLED"), "reason": _text_or_none},
}


def parse(line: bytes) -> Event | None:
    """Return the event of a line; None if it is anything else."""
    try:
        event = parse_object(line)
        if b"\\ud" in line.lower():  # half a pair of surrogates, which no file's name and no database takes
            json.dumps(event, ensure_ascii=False).encode()
    except ValueError:
        return None
    kind = event.get("event")
    checks = KINDS.get(kind) if isinstance(kind, str) else None
    if checks is None or not _whole(event.get("time")):
        return None
    return event if all(key in event and fits(event[key]) for key, fits in checks.items()) else None
