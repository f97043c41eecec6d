"""A sweep's overrides: the jobs that they come to, and what a command line may add to them."""

import itertools
from collections.abc import Mapping, Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from mnist_trainer.composition import override_key
from mnist_trainer.errors import ConfigError
from mnist_trainer.runs.changes import MEANS

Choices = dict[str, list[str]]
"""Each key's values, in the letters that Hydra's basic sweeper gives them; a key has its `+` before it."""


def choices_of(overrides: Sequence[str]) -> Choices:
    """Return what the overrides give each key; raises `HydraException` for what can't be listed (an interval)."""
    return {each.get_key_element(): _values(each) for each in parsed_overrides(overrides)}


def combinations(choices: Choices) -> list[list[str]]:
    """Return the overrides of each job: all combinations, the last key's values changing first."""
    pairs = [[f"{key}={value}" for value in values] for key, values in choices.items()]
    return [list(each) for each in itertools.product(*pairs)]


def extended_choices(own: Mapping[str, Sequence[str]], given: Choices) -> tuple[Choices, list[str]]:
    """Return the choices of a sweep that a command line goes on with, and its overrides of mere means (`MEANS`).

    A key's values are the sweep's, and then those that the command adds. Raises `ConfigError` for what would make
    other jobs of those that the sweep has.
    """
    together: Choices = {key: list(values) for key, values in own.items()}
    means, problems = [], []
    for key, values in given.items():
        before, asked = own.get(key), ",".join(values)
        if before is not None and (len(before) > 1 or len(values) > 1 or values == before):
            together[key] = list(dict.fromkeys([*before, *values]))
        elif is_means(key) and len(values) == 1:
            means.append(f"{key}={asked}")
        elif before is None:
            problems.append(f"{key}={asked}: the sweep was begun without; leave {key} out, or begin a new sweep")
        else:
            problems.append(
                f"{key}={asked}: the sweep has {key}={before[0]}, and goes on with that; "
                f"{key}={before[0]},{asked} adds jobs"
            )
    if problems:
        raise ConfigError(*problems)
    return together, means


def is_means(key: str) -> bool:
    """Tell whether an override says how a job is done, rather than which it is."""
    return override_key(key) in {*MEANS, "tracking"}


def is_the_commands(override: str) -> bool:
    """Tell whether an override is of the command alone, and of no job."""
    return override_key(override).startswith("sweep.")


def samples(overrides: Sequence[str]) -> list[list[str]]:
    """Return jobs that have each listed value once, and of an interval its start, where a sweeper chooses the jobs."""
    values = {each.get_key_element(): _sampled(each) for each in parsed_overrides(overrides)}
    count = max(map(len, values.values()), default=1)
    return [[f"{key}={some[number % len(some)]}" for key, some in values.items()] for number in range(count)]


def swept_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys and groups that differ from job to job."""
    return [each.key_or_group for each in parsed_overrides(overrides) if each.is_sweep_override()]


def sweeps_data(overrides: Sequence[str]) -> bool:
    """Tell whether the jobs of a sweep are on several data sets."""
    return any(key.partition(".")[0] in ("data", "experiment") for key in swept_keys(overrides))


def parsed_overrides(overrides: Sequence[str]) -> list[Override]:
    """Read overrides as Hydra does; raises `HydraException`."""
    loader = GlobalHydra.instance().config_loader()  # it knows what a glob stands for
    return OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))


def _values(override: Override) -> list[str]:
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [override.get_value_element_as_str()]


def _sampled(override: Override) -> list[str]:
    sweep = override.value() if override.is_sweep_override() else None
    if isinstance(sweep, IntervalSweep):
        return [str(sweep.start)]
    values = _values(override)
    return [values[0], values[-1]] if isinstance(sweep, RangeSweep) and len(values) > 2 else values
