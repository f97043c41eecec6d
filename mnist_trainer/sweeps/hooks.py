"""Hydra's hooks around a multirun: it begins, or goes on (`beginning`), and it ends.

Every command loads this file, a single run's too; what a sweep alone needs is loaded when one begins.
"""

import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from mnist_trainer.sweeps.sweep import finish_sweep


class SweepCallback(Callback):
    """Begins a sweep, or goes on with one, and ends it; holds nothing, since launchers send it to other processes."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin or go on; exits with code 2 if that can't be, and with 0 if nothing is left to do."""
        from mnist_trainer.sweeps.beginning import begin_or_go_on

        begin_or_go_on(config)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """End the sweep; with exit code 2 if its jobs could not even begin."""
        if problems := finish_sweep("FINISHED"):
            sys.stderr.write("".join(f"mnist_trainer: {problem}\n" for problem in problems))
            raise SystemExit(2)
