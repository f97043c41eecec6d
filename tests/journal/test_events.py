import dataclasses
import json
import math
from pathlib import Path

import pytest

from mnist_trainer.journal.events import (
    Artifact,
    Confusion,
    DatasetEvent,
    End,
    Metrics,
    Params,
    Resume,
    Start,
    Tags,
    line_of,
    parse,
)
from tests.fixtures.journals import OLDER, started

WRITER = {"uri": "default", "mode": "mlflow", "store_folder": "/outputs", "process_start": 99, "host": "a host"}
FIRST = 1_700_000_000_000
EVENTS = [
    Start(
        time=FIRST,
        run="ab" * 16,
        kind="run",
        experiment="mnist",
        name="mlp-fused-sgd-b128-s0",
        parent=None,
        pid=4242,
        start_time=FIRST - 1000,
        **WRITER,
    ),
    Params(
        {"loss.name": "fused", "seed": 0, "optimizer.lr": 0.1, "model.hidden": [128, 64], "data.root": None},
        time=FIRST + 1,
    ),
    Tags({"loss.exact": "true", "host": "é"}, time=FIRST + 2),
    DatasetEvent(
        time=FIRST + 3,
        name="mnist",
        digest="0123",
        source="/data",
        schema={"image": [28, 28, 1], "dtype": "uint8", "classes": 10},
        profile={"training_and_validation": 60000, "test": 10000},
    ),
    Artifact("config.yaml", time=FIRST + 4),
    Metrics(100, {"train/loss": 0.5, "train/accuracy": 0.875, "gradient_norm": math.nan}, time=FIRST + 5),
    Resume(time=FIRST + 6, step=100, pid=4343, **WRITER),
    Tags({"changed.epochs": "2"}, time=FIRST + 7),
    Metrics(200, {"train/loss": 0.25, "gradient_norm": math.inf}, time=FIRST + 8),
    Confusion([[5, 1], [0, 4]], ["0", "1"], time=FIRST + 9),
    Artifact("last.npz", "checkpoints", time=FIRST + 10),
    End("FAILED", "diverged at step 200", time=FIRST + 11),
]


def test_a_journal_of_before_is_read_as_it_was_meant_and_written_as_it_was():
    lines = OLDER.read_bytes().splitlines()
    assert list(map(repr, map(parse, lines))) == list(map(repr, EVENTS))  # NaN equals nothing
    for before, event in zip(lines, EVENTS, strict=True):
        again = line_of(event)
        assert again.endswith(b"\n")
        assert again.startswith(before[: before.index(b",")])  # a resumption is found by these bytes
        assert content(again) == content(before)


def content(line):
    return {key: repr(value) for key, value in json.loads(line).items()}


START = json.loads(line_of(started(Path("/outputs"))))


@pytest.mark.parametrize(
    "event",
    [
        {**START, "run": "../../precious"},  # its entry among the unsent ones would be removed
        {**START, "host": 3},
        {key: value for key, value in START.items() if key != "mode"},
        {"event": "artifact", "time": 1, "name": "../../.ssh/id_rsa", "folder": None},  # it would be sent
        {"event": "metrics", "time": 1, "step": -1, "metrics": {}},
        {"event": "metrics", "time": 1, "step": 1, "metrics": {"loss": "low"}},
        {"event": "metrics", "time": 1 << 63, "step": 1, "metrics": {}},
        {"event": "end", "time": 1, "status": "DONE", "reason": None},
        {"event": ["end"], "time": 1},
        {"event": "tags", "time": 1, "tags": {"a": "\ud800"}},
    ],
    ids=["run", "host", "no mode", "artifact", "step", "value", "time", "status", "kind", "surrogate"],
)
def test_an_event_that_lacks_something_or_means_harm_is_none(event):
    assert parse(json.dumps(event).encode()) is None
    assert isinstance(parse(json.dumps(START).encode()), Start)


def test_a_data_set_of_a_line_without_its_use_is_to_train_on_and_others_tell_theirs():
    (training,) = [event for event in EVENTS if isinstance(event, DatasetEvent)]
    assert b"context" not in line_of(training)  # as older versions wrote it
    testing = dataclasses.replace(training, context="testing")
    assert parse(line_of(testing)) == testing
    assert parse(line_of(testing).replace(b"testing", b"guessing")) is None
