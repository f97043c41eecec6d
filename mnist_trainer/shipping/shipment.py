"""What a shipper or a sync did, run by run."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Literal

Outcome = Literal["sent", "already", "running", "served", "off", "failed"]
WORDS: dict[Outcome, str] = {
    "sent": "sent",
    "already": "sent before",
    "running": "still running",
    "served": "being sent by another process",
    "off": "not meant to be tracked",
    "failed": "not sent",
}


@dataclass(frozen=True)
class ShippedRun:
    """One run; `status` is MLflow's, RUNNING until its end is sent; no ids if MLflow never had it."""

    folder: str
    run_id: str | None
    experiment_id: str | None
    uri: str | None
    status: str
    outcome: Outcome


@dataclass(frozen=True)
class Shipment:
    """All runs served; `left` counts the events that were not sent, `error` says in one line why."""

    runs: tuple[ShippedRun, ...] = ()
    left: int = 0
    error: str | None = None
    timed_out: bool = False

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Shipment":
        """Invert `as_json`; raises ValueError if `line` is something else."""
        try:
            content = json.loads(line)
            runs = tuple(ShippedRun(**run) for run in content.pop("runs"))
            return cls(runs=runs, **content)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a shipment: {line[:80]!r}") from error

    def problem(self) -> str | None:
        """`12 events are not sent: why`; None if all is sent. Without a run's files, its events may all be there."""
        if not (self.left or self.error):
            return None
        what = f"{self.left:,} events are not sent" if self.left else "not all is sent"
        return f"{what}: {self.error}" if self.error else what

    def summary(self) -> str:
        """`sent 3 runs, 1 still running`."""
        counts = Counter(run.outcome for run in self.runs)
        sent = counts.pop("sent", 0)
        parts = [f"sent {sent} run{'' if sent == 1 else 's'}"]
        return ", ".join(parts + [f"{counts[key]} {words}" for key, words in WORDS.items() if counts[key]])
