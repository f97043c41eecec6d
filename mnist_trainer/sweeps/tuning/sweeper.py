"""The plugin that Hydra calls for `hydra/sweeper=optuna`, and how Hydra comes to know it."""

import importlib.util
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mnist_trainer.config import OPTUNA, register_sweeper_schemas


class OptunaSweeper(Sweeper):
    """Launches the trials of a study; `tuner` has the loop. Loads Optuna when it sweeps."""

    def __init__(self, **settings: Any) -> None:
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the study; raises `ConfigError` for what can't be tuned."""
        from mnist_trainer.sweeps.tuning.tuner import tune

        assert self.config is not None
        assert self.launcher is not None
        tune(self.config, self.launcher, self.validate_batch_is_legal, arguments)


def register_optuna_sweeper() -> None:
    """Tell Hydra of the sweeper, whether or not Optuna is installed; another plugin's of this name yields.

    Hydra's own wants an Optuna of years ago, doesn't prune, and can't go on.
    """
    plugins = Plugins.instance()  # which looks for plugins first, and these store their nodes
    plugins.register(OptunaSweeper)
    plugins.class_name_to_class[OPTUNA] = OptunaSweeper
    register_sweeper_schemas()


def rival_sweeper() -> bool:
    """Whether Hydra's own plugin is installed, too; there may be no plugin of Hydra's at all."""
    package = importlib.util.find_spec("hydra_plugins")
    return package is not None and importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is not None
