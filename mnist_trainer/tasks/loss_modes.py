"""The loss modes that task.modes names, as configurations of whole runs."""

from collections.abc import Sequence
from dataclasses import fields, replace

from mnist_trainer import registry
from mnist_trainer.build import check_buildable
from mnist_trainer.composition import compose, conf_folder
from mnist_trainer.config import Config, CustomLossConfig, LossConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import suggestion


def mode_configs(config: Config, modes: Sequence[str]) -> list[Config]:
    """Return the configuration of each mode's run: the job's own, with that loss and a name that says so.

    Raises `ConfigError` with the problems of all of them.
    """
    losses = [mode_loss(mode, config.loss) for mode in modes]
    names = [loss.name for loss in losses]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(f"task.modes=[{','.join(modes)}]: must be two or more different losses to compare")
    found = [replace(config, loss=loss, name=mode_run_name(config, loss)) for loss in losses]
    problems = []
    for each in found:
        try:
            check_buildable(each)
        except ConfigError as error:
            problems += [f"task.modes, {each.loss.name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(*problems)
    return found


def mode_loss(mode: str, own: LossConfig) -> LossConfig:
    """Return a mode's configuration: the job's own loss, a choice of the group `loss`, or a plugin's name.

    A choice takes over from the job's own loss what both have: `label_smoothing`, say. `mistakes/` may be left out.
    """
    folder = conf_folder() / "loss"
    choices = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")} - {"custom"}
    by_name = {choice.rpartition("/")[2]: choice for choice in choices}
    name = mode.rpartition("/")[2] if mode in choices else mode
    if own.name == name:
        return own
    if name in by_name:
        chosen = compose([f"loss={by_name[name]}"]).loss
        shared = {field.name for field in fields(chosen)} & {field.name for field in fields(own)} - {"name"}
        return replace(chosen, **{key: getattr(own, key) for key in shared})
    if name in registry.losses:
        return CustomLossConfig(name, {})
    plugins = set(registry.losses) - set(by_name)
    raise ConfigError(f"task.modes: {mode!r} is unknown{suggestion(mode, choices | plugins)}")


def mode_run_name(config: Config, loss: LossConfig) -> str:
    """Return what task=train would call the run; under a name that was chosen, that name and the loss's."""
    if config.name != config.task.label:
        return f"{config.name}-{loss.name}"
    return f"{config.model.name}-{loss.name}-{config.optimizer.name}-b{config.batch_size}-s{config.seed}"
