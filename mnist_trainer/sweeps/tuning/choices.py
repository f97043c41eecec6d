"""Optuna's samplers and pruners by their names: `tpe` is `TPESampler`, `median` is `MedianPruner`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import suggestion
from mnist_trainer.sweeps.tuning.settings import NONE, Choice

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

IN_ORDER = ("grid", "qmc", "bruteforce")
"""Samplers that go through a sequence, which their seed must not change."""


def sampler_of(choice: Choice, space: Mapping[str, "BaseDistribution"], asked: int) -> "BaseSampler":
    """Make the sampler of the trial after `asked` others.

    Each trial has a generator of its own: a study that goes on asks what it would have asked undisturbed. Raises
    `ConfigError`.
    """
    from optuna import samplers

    options = {name: value for name, value in choice.options.items() if value is not None}
    if "seed" in options and sampler_key(choice.name) not in IN_ORDER:
        options["seed"] = int(options["seed"]) + 1009 * asked  # a prime: seeds side by side don't meet soon
    if sampler_key(choice.name) == "grid":
        options = {"search_space": grid(space), **options}
    sampler: BaseSampler = made("sampler", samplers, "Sampler", choice.name, options)
    return sampler


def pruner_of(choice: Choice, epochs: int) -> "BasePruner":
    """Make the pruner of trials of so many epochs; raises `ConfigError`."""
    from optuna import pruners

    if sampler_key(choice.name) in (NONE, "nop"):
        return pruners.NopPruner()
    options = dict(choice.options)
    if sampler_key(choice.name) == "hyperband":
        options.setdefault("max_resource", epochs)  # Optuna would wait for a first trial that wasn't pruned
    pruner: BasePruner = made("pruner", pruners, "Pruner", choice.name, options)
    return pruner


def made(key: str, module: Any, kind: str, name: str, options: Mapping[str, Any]) -> Any:
    """Make the class of this name; raises `ConfigError` that names what would fit."""
    classes = {sampler_key(each).removesuffix(kind.lower()): each for each in module.__all__ if each.endswith(kind)}
    classes.pop("base", None)
    wanted = sampler_key(name).removesuffix(kind.lower())
    if wanted not in classes:
        raise ConfigError(f"hydra.sweeper.{key}={name} is unknown{suggestion(wanted, classes)}")
    try:
        return getattr(module, classes[wanted])(**options)
    except (TypeError, ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"hydra.sweeper.{key}={name}: {str(error).strip().partition(chr(10))[0]}") from None


def sampler_key(name: str) -> str:
    """Return a name's letters, small: `TPESampler`, `tpe_sampler` and `tpesampler` are one."""
    return name.lower().replace("_", "").replace("-", "")


def grid(space: Mapping[str, "BaseDistribution"]) -> dict[str, list[Any]]:
    """Return all values of each key; raises `ConfigError` for an interval, which has too many."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, list[Any]] = {}
    for name, each in space.items():
        match each:
            case CategoricalDistribution():
                found[name] = list(each.choices)
            case IntDistribution():
                found[name] = list(range(each.low, each.high + 1, each.step))
            case FloatDistribution(step=float() as step):
                found[name] = [each.low + step * index for index in range(round((each.high - each.low) / step) + 1)]
            case _:
                raise ConfigError(f"hydra.sweeper.sampler=grid: {name} is an interval; give choices, or a range")
    return found
