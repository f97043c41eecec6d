"""The events of a journal: a class for each kind of line. What doesn't fit the class's fields is no event."""

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, get_type_hints

from mnist_trainer.files import parse_object
from mnist_trainer.journal.load import CPU, MEMORY
from mnist_trainer.journal.processes import began
from mnist_trainer.journal.values import (
    Check,
    Content,
    Counts,
    Flag,
    Id,
    Names,
    Numbers,
    PathInside,
    Text,
    Whole,
    Words,
    check_of,
)

TIMED = ("samples_per_second", "epoch_seconds", CPU, MEMORY)
"""The metrics that come out otherwise when the same updates are done again."""

DESCRIPTION = "mlflow.note.content"
"""The tag that MLflow shows as a run's description, in Markdown."""

Kind = Literal["run", "sweep", "comparison", "evaluation"]
"""A run, or a parent of the runs in the folders below its own."""
Context = Literal["training", "validation", "testing"]
Mode = Literal["mlflow", "off"]
Status = Literal["FINISHED", "FAILED", "KILLED"]
Told = tuple[int, tuple[str, ...]]


LATER_FIELD = {"in_older_lines": False}
"""Of a field that older lines lack."""


def now_ms() -> int:
    """Milliseconds since the epoch, MLflow's unit of time."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Event:
    """A line, written at `time`, in ms."""

    event: ClassVar[str]
    time: Whole = field(default_factory=now_ms)


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Who writes from now on, and where it is sent to."""

    uri: Text | None  # None, before it is written: what the environment names, else `mlflow.db` in `store_folder`
    mode: Mode
    store_folder: Text
    pid: Whole = field(default_factory=os.getpid)
    process_start: Whole = field(default_factory=began)
    host: Text = field(default_factory=socket.gethostname)


@dataclass(frozen=True, kw_only=True)
class Start(Writer, Event):
    """What a journal starts with: which run it is."""

    event = "start"
    run: Id  # a uuid's hex digits, made by the caller
    kind: Kind
    experiment: Text
    name: Text
    parent: Id | None  # the `run` of the sweep or comparison
    start_time: Whole = field(default_factory=now_ms)
    description: Text | None = field(default=None, metadata=LATER_FIELD)  # the user's own words
    into: Text | None = field(default=None, metadata=LATER_FIELD)  # MLflow's run, opened by somebody, that it is
    opener: Whole = field(default=0, metadata=LATER_FIELD)  # that process, and when it began; 0 if it isn't known
    opener_began: Whole = field(default=0, metadata=LATER_FIELD)
    apart: Flag = field(default=False, metadata=LATER_FIELD)
    """Whether it is a sweep's job that doesn't share its folder: what it may go on with is sent, too."""
    resumed: bool = field(default=False, metadata={"in_line": False})  # as a later line says

    def described(self, text: str) -> str:
        """Return what its page begins with: the user's own words, then what is told of it."""
        return "\n\n".join(filter(None, [self.description, text]))


@dataclass(frozen=True, kw_only=True)
class Resume(Writer, Event):
    """The run goes on after `step` updates."""

    event = "resume"
    step: Whole


@dataclass(frozen=True)
class Params(Event):
    """The resolved configuration, flat: `{"optimizer.lr": 0.1}`."""

    event = "params"
    params: Content


@dataclass(frozen=True)
class Tags(Event):
    """Words, for MLflow's tags."""

    event = "tags"
    tags: Words


@dataclass(frozen=True, kw_only=True)
class DatasetEvent(Event):
    """A data set, and what the run does with it."""

    event = "dataset"
    name: Text
    digest: Text  # of at most 36 characters
    source: Text  # a URL or a folder
    schema: Content
    profile: Content
    context: Context = field(default="training", metadata=LATER_FIELD)


@dataclass(frozen=True)
class Metrics(Event):
    """Numbers after `step` updates; NaN and infinities are kept."""

    event = "metrics"
    step: Whole
    metrics: Numbers

    @property
    def told(self) -> Told:
        """What it tells of."""
        return self.step, tuple(sorted(self.metrics))

    def same_but_for_time(self, other: "Metrics") -> bool:
        """Whether another has the same values of what both tell, NaN being NaN, apart from `TIMED`."""
        common = (self.metrics.keys() & other.metrics.keys()) - set(TIMED)
        pairs = [(self.metrics[key], other.metrics[key]) for key in common]
        return all(a == b or (a != a and b != b) for a, b in pairs)


@dataclass(frozen=True)
class Confusion(Event):
    """Counts (true class, predicted class) on the test images."""

    event = "confusion"
    matrix: Counts
    class_names: Names


@dataclass(frozen=True)
class Artifact(Event):
    """A file of the run, `name` relative to its folder; sent at the end, to MLflow's `folder`."""

    event = "artifact"
    name: PathInside
    folder: PathInside | None = None


@dataclass(frozen=True, kw_only=True)
class ModelEvent(Event):
    """What was learned is in the run's file `name`, and is to be logged as a model."""

    event = "model"
    name: PathInside
    plugins: Names = field(default_factory=list)  # files and folders that go along


@dataclass(frozen=True, kw_only=True)
class Register(Event):
    """The model of the run `run`, this one or one of the sweep's, is to be registered as `name`."""

    event = "register"
    run: Id
    name: Text
    alias: Text | None = None


@dataclass(frozen=True)
class Evaluated(Event):
    """The metrics `test/...` are those of the model that the run `run` has left."""

    event = "evaluated"
    run: Id


@dataclass(frozen=True)
class End(Event):
    """The run's status, and the reason if it is a bad one."""

    event = "end"
    status: Status
    reason: Text | None = None


def _checks(kind: type[Event]) -> Mapping[str, Check]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: check_of(hints[each.name]) for each in fields(kind) if each.metadata.get("in_line", True)}


WRITER = tuple(each.name for each in fields(Writer))
KINDS: Mapping[str, type[Event]] = {
    kind.event: kind
    for kind in (
        Start,
        Resume,
        Params,
        Tags,
        DatasetEvent,
        Metrics,
        Confusion,
        Artifact,
        ModelEvent,
        Register,
        Evaluated,
        End,
    )
}
LATER: Mapping[type[Event], Mapping[str, object]] = {
    kind: {each.name: each.default for each in fields(kind) if not each.metadata.get("in_older_lines", True)}
    for kind in KINDS.values()
}
"""What older lines lack, and what they mean; a line that means the same lacks it, too."""
CHECKS = {kind: _checks(kind) for kind in KINDS.values()}
"""What lines of a kind hold, and what fits there."""


def parse(line: bytes) -> Event | None:
    """Return the event of a line; None if it is anything else."""
    try:
        content = parse_object(line)
        if b"\\ud" in line.lower():  # half a pair of surrogates, which no file's name and no database takes
            json.dumps(content, ensure_ascii=False).encode()
    except ValueError:
        return None
    word = content.get("event")
    kind = KINDS.get(word) if isinstance(word, str) else None
    if kind is None:
        return None
    content = {**LATER[kind], **content}
    if not all(name in content and fits(content[name]) for name, fits in CHECKS[kind].items()):
        return None
    return kind(**{name: content[name] for name in CHECKS[kind]})


def line_of(event: Event) -> bytes:
    """Return the event's line, with its newline."""
    later = LATER[type(event)]
    values = ((name, getattr(event, name)) for name in CHECKS[type(event)])
    content = {name: value for name, value in values if name not in later or value != later[name]}
    return json.dumps({"event": event.event, **content}, separators=(",", ":"), default=str).encode() + b"\n"
