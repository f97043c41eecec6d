"""Hydra's override syntax as what Optuna samples from: `interval`, `range`, `choice`, `tag(log, ...)`, groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.overrides import parsed_overrides

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LOG = "log"


@dataclass(frozen=True)
class Space:
    """A command line's overrides: those that all trials have, and those that Optuna chooses, in their order."""

    fixed: Mapping[str, str]
    distributions: Mapping[str, "BaseDistribution"]
    order: Sequence[str]

    @classmethod
    def of(cls, overrides: Sequence[str]) -> "Space":
        """Read the overrides, the last one of a key counting; raises `ConfigError`, and `HydraException`."""
        by_key = {each.get_key_element(): each for each in parsed_overrides(overrides)}
        swept = {key: distribution(each) for key, each in by_key.items() if each.is_sweep_override()}
        fixed = {key: each.get_value_element_as_str() for key, each in by_key.items() if key not in swept}
        if not swept:
            raise ConfigError(
                "hydra/sweeper=optuna: nothing to choose; give a key an interval, a range or choices, as in "
                "'optimizer.lr=tag(log,interval(1e-3,1))'"
            )
        return cls(fixed, swept, list(by_key))

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return a trial's overrides, in the command line's order."""
        return [f"{key}={self.fixed[key] if key in self.fixed else written(params[key])}" for key in self.order]


def distribution(override: Override) -> "BaseDistribution":
    """Return what a key's values are drawn from; raises `ConfigError` for what Optuna can't."""
    from optuna.distributions import CategoricalDistribution

    sweep, line = override.value(), override.input_line
    tags = sweep.tags if isinstance(sweep, ChoiceSweep | RangeSweep | IntervalSweep) else set()
    if unknown := tags - {LOG}:
        raise ConfigError(f"{line}: the tag {sorted(unknown)[0]} is unknown (one of: {LOG})")
    try:
        if isinstance(sweep, IntervalSweep):
            return of_interval(sweep)
        if isinstance(sweep, RangeSweep):
            return of_range(sweep)
        if LOG in tags:
            raise ConfigError(f"{line}: choices have no logarithm; tag an interval or a range")
        return CategoricalDistribution(list(dict.fromkeys(override.sweep_string_iterator())))
    except ValueError as error:  # Optuna's: a log of 0, or an interval that is none
        raise ConfigError(f"{line}: {error}") from None


def of_interval(sweep: IntervalSweep) -> "BaseDistribution":
    """Return the numbers between two: floats, or whole ones of `int(interval(1,8))`, both ends included."""
    from optuna.distributions import FloatDistribution, IntDistribution

    start, end = sweep.start, sweep.end
    assert start is not None
    assert end is not None
    log = LOG in sweep.tags
    if isinstance(start, int) and isinstance(end, int):
        return IntDistribution(start, end, log=log)
    return FloatDistribution(float(start), float(end), log=log)


def of_range(sweep: RangeSweep) -> "BaseDistribution":
    """Return the numbers that Hydra's basic sweeper would run: the stop is none of them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = [float(value) if isinstance(value, Decimal) else value for value in sweep.range()]
    if not values:
        raise ValueError("the range has no number")
    low, high, log = min(values), max(values), LOG in sweep.tags
    if log and abs(sweep.step) != 1:
        raise ValueError("a logarithmic range has steps of 1; choice(...) names others")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=1 if log else int(abs(sweep.step)))
    if log:
        return CategoricalDistribution([written(value) for value in values])
    return FloatDistribution(low, high, step=float(abs(sweep.step)))


def written(value: object) -> str:
    """Write a value as Hydra reads it: a choice is in its letters already."""
    return value if isinstance(value, str) else repr(value)
