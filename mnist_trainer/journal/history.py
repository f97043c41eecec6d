"""A journal read back into plain records: what the pictures are drawn from."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnist_trainer.journal.events import Event
from mnist_trainer.journal.journal import FILE
from mnist_trainer.journal.reading import read_events

Series = list[tuple[int, float]]  # (step, value)


@dataclass
class History:
    """All that a journal says about its run."""

    start: Event = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Series] = field(default_factory=lambda: defaultdict(list))
    confusion: Event | None = None
    artifacts: list[tuple[str, str | None]] = field(default_factory=list)  # (name, folder)
    last_time: int = 0  # of the last event, in ms
    end: Event | None = None


def read_history(folder: Path) -> History:
    """Return the folder's journal, as far as it is written; raises FileNotFoundError if there is none."""
    history = History()
    for event in read_events(folder / FILE)[0]:
        history.last_time = max(history.last_time, event.get("time", 0))
        match event["event"]:
            case "start":
                history.start = event
            case "params":
                history.params.update(event["params"])
            case "metrics":
                for key, value in event["metrics"].items():
                    history.metrics[key].append((event["step"], value))
            case "confusion":
                history.confusion = event
            case "artifact":
                history.artifacts.append((event["name"], event["folder"]))
            case "end":
                history.end = event
    return history
