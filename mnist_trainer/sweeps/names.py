"""What a sweep and its jobs are called in MLflow: for what varies. Their folders have names of their own."""

import dataclasses
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from mnist_trainer.composition import override_key
from mnist_trainer.config import Config
from mnist_trainer.runs.record import JobName
from mnist_trainer.sweeps.pairs import LOSS_KEYS
from mnist_trainer.sweeps.record import SweepRecord

VALUES = {field.name for field in dataclasses.fields(Config) if not dataclasses.is_dataclass(field.type)}
"""The keys without a dot that are no groups: `epochs`, `seed`."""

MOST_DIGITS = 10


def sweep_name(overrides: Sequence[str]) -> str:
    """Return a sweep's name, which tells its keys: `sweep over hidden, lr`."""
    keys = readable_swept_keys(overrides)
    return f"sweep over {', '.join(shortened_keys(keys).values())}" if keys else "sweep"


def job_name(record: SweepRecord, overrides: Sequence[str]) -> str:
    """Return a job's name, which tells its values of what varies: `lr=0.01 hidden=[32]`, `separate s1`; "" of none."""
    keys = varied_keys(record)
    short = shortened_keys(keys)
    words = []
    for override in overrides:
        key, value = override_key(override), override.partition("=")[2]
        if key not in keys:
            continue
        if key == "seed":
            words.append(f"s{value}")
        elif "." in key or key in VALUES:
            words.append(f"{short[key]}={brief(value)}")
        else:  # a group's choice is a name already
            words.append(value.rpartition("/")[2])
    return " ".join(words)


def brief(value: str) -> str:
    """Write a number that was drawn with the digits that tell it from others; what a user typed stays."""
    try:
        return f"{float(value):.4g}" if len(value) > MOST_DIGITS else value
    except ValueError:
        return value


def job_in_mlflow(record: SweepRecord, overrides: Sequence[str]) -> JobName | None:
    """Return how a job is called and drawn in MLflow; None if nothing varies.

    Modes have their colours where the jobs differ in nothing but loss and seed: else nothing tells two curves of a
    mode apart.
    """
    name = job_name(record, overrides)
    return JobName(name, coloured=varies_loss_alone(record)) if name else None


def varies_loss_alone(record: SweepRecord) -> bool:
    """Whether the jobs differ in nothing but loss and seed."""
    return set(varied_keys(record)) <= {*LOSS_KEYS, "seed"}


def varied_keys(record: SweepRecord) -> list[str]:
    """Return the keys that the command line sweeps over, and those that differ among the jobs it was extended by."""
    listed = record.jobs or []
    common = set.intersection(*map(set, listed)) if listed else set()
    differ = [override_key(override) for job in listed for override in job if override not in common]
    return list(dict.fromkeys([*readable_swept_keys(record.overrides), *differ]))


def readable_swept_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys that a command line gives several values, or an interval; none if it can't be read."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException:
        return []
    return [each.key_or_group for each in parsed if each.is_sweep_override()]


def shortened_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return the keys' last words by key; whole, where two would be the same, or it says nothing: `loss.name`."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: key if word == "name" or last.count(word) > 1 else word for key, word in zip(keys, last, strict=True)}
