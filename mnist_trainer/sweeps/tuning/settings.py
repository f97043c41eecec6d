"""The keys of `hydra.sweeper` with `hydra/sweeper=optuna`: those of Hydra's own plugin, a pruner, and objectives."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import OmegaConf

from mnist_trainer.config import AUTO, OPTUNA, OptunaConfig
from mnist_trainer.errors import ConfigError, prefixed_problems
from mnist_trainer.hyperparameters import check, hyperparameter, picked_hyperparameters

NONE = "none"
MINIMIZED, MAXIMIZED = "minimize", "maximize"
OBJECTIVES = {
    "validation/loss": MINIMIZED,
    "validation/accuracy": MAXIMIZED,
    "parameters": MINIMIZED,
    "epoch_seconds": MINIMIZED,
}
"""What a study can be after, and which way is better."""
REPORTED = ("validation/loss", "validation/accuracy")
"""Those that are known after each epoch, so that a trial can be pruned by them."""


@dataclass(frozen=True)
class Choice:
    """A sampler or a pruner by its name in Optuna, and what its class is given."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, key: str, value: object) -> "Choice":
        """Read `hyperband`, or `{name: hyperband, reduction_factor: 4}`; null is `none`. Raises `ConfigError`."""
        if value is None:
            return cls(NONE)
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}={value!r}: give a name, or a mapping with a name and its options")
        options = {str(name): each for name, each in value.items()}
        name = options.pop("name", None) or options.pop("_target_", "")  # as Hydra's own plugin has it
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{key}={value!r}: the name is missing, as in {{name: ...}}")
        return cls(name.rpartition(".")[2], options)


@dataclass(frozen=True)
class Settings:
    """What `hydra.sweeper` says, checked."""

    study_name: str | None
    storage: str | None
    directions: tuple[str, ...]
    objectives: tuple[str, ...]
    sampler: Choice
    pruner: Choice
    trial: int | None
    n_trials: int = hyperparameter(minimum=1)
    n_jobs: int = hyperparameter(minimum=1)

    def __post_init__(self) -> None:
        """Check the ranges; raises `ConfigError`."""
        check(self)

    @classmethod
    def read(cls, hydra: Any) -> "Settings":
        """Read those of a composed configuration's node `hydra`; raises `ConfigError` naming the key."""
        sweeper = OmegaConf.to_container(hydra.sweeper, resolve=True)
        assert isinstance(sweeper, dict)
        node = picked_hyperparameters(OptunaConfig, {str(key): value for key, value in sweeper.items()})
        objectives = named("objective", node.objective)
        with prefixed_problems("hydra.sweeper."):
            jobs = hydra.launcher.get("n_jobs") if node.n_jobs is None else node.n_jobs
            settings = cls(
                n_trials=node.n_trials,
                n_jobs=max(1, jobs or 1) if node.n_jobs is None else node.n_jobs,
                study_name=node.study_name,
                storage=node.storage,
                directions=directions_of(objectives, node.direction),
                objectives=check_objectives(objectives),
                sampler=Choice.of("sampler", node.sampler),
                pruner=Choice.of("pruner", node.pruner),
                trial=node.trial,
            )
            return settings.with_pruner()

    def with_pruner(self) -> "Settings":
        """Resolve the pruner `auto`: the median rule, or none where there is nothing to prune by."""
        if self.pruner.name not in (AUTO, NONE):
            if len(self.objectives) > 1:
                raise ConfigError(
                    f"pruner={self.pruner.name}: Optuna prunes by one objective, and there are {len(self.objectives)} "
                    f"({', '.join(self.objectives)}); leave the pruner out, or all objectives but one"
                )
            if self.objectives[0] not in REPORTED:
                raise ConfigError(
                    f"pruner={self.pruner.name}: a trial is pruned by {' or '.join(REPORTED)}, and the objective is "
                    f"{self.objectives[0]}; leave the pruner out"
                )
        if self.pruner.name != AUTO:
            return self
        prunes = len(self.objectives) == 1 and self.objectives[0] in REPORTED
        options = dict(self.pruner.options) if prunes else {}
        return replace(self, pruner=Choice("median" if prunes else NONE, options))


def named(key: str, value: object) -> tuple[str, ...]:
    """Read a word, or a list of words, as a tuple; raises `ConfigError`."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
        raise ConfigError(f"hydra.sweeper.{key}={value!r}: give a name, or a list of names")
    return tuple(listed)


def check_objectives(objectives: tuple[str, ...]) -> tuple[str, ...]:
    """Return the objectives; raises `ConfigError` for one that is none, above all for one of the test images."""
    for each in objectives:
        if each.startswith("test/"):
            raise ConfigError(
                f"objective={each}: what is chosen by the test images has no test left; name validation/..."
            )
        if each not in OBJECTIVES:
            raise ConfigError(f"objective={each} is unknown (one of: {', '.join(OBJECTIVES)})")
    if len(set(objectives)) < len(objectives):
        raise ConfigError(f"objective={','.join(objectives)}: name each once")
    return objectives


def directions_of(objectives: tuple[str, ...], given: object) -> tuple[str, ...]:
    """Return which way each objective is better; raises `ConfigError` if the key says otherwise."""
    right = tuple(OBJECTIVES.get(each, MINIMIZED) for each in objectives)
    if given is None:
        return right
    told = named("direction", given)
    if told != right:
        raise ConfigError(f"direction={','.join(told)}: {', '.join(objectives)}: {', '.join(right)}; leave it out")
    return right


def is_tuned(hydra: Any) -> bool:
    """Whether Optuna chooses the jobs of what is composed with this node `hydra`."""
    return bool(hydra.sweeper._target_ == OPTUNA)
