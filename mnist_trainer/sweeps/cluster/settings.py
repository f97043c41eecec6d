"""What `hydra.launcher` says of a cluster, where the launcher is submitit's: checked, and with better defaults."""

import logging

from hydra.core.plugins import Plugins
from omegaconf import DictConfig, read_write

from mnist_trainer.complaints.origin import overrides_as_typed
from mnist_trainer.composition import override_key
from mnist_trainer.sweeps.cluster import slurm

SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher."
"""How the names of its launchers begin."""
ON_SLURM, LOCAL = f"{SUBMITIT}SlurmLauncher", f"{SUBMITIT}LocalLauncher"
TIMEOUTS = 100
"""How often a job may run out of time and go on: its checkpoint makes that harmless, and an end is to be."""
PERIOD_SECONDS = 30
"""Between two looks of Slurm's at the time limits; it signals that much earlier."""
START_SECONDS = 15
"""What a job takes at most, on a busy node, until it answers signals."""

log = logging.getLogger(__name__)


def is_on_cluster(config: DictConfig) -> bool:
    """Whether submitit launches the jobs."""
    return str(config.hydra.launcher._target_).startswith(SUBMITIT)


def take_over(config: DictConfig) -> None:
    """Let Hydra launch by our launchers in the place of the plugin's; raises `ConfigError` where there is no Slurm."""
    if config.hydra.launcher._target_ == ON_SLURM:
        slurm.require()
        prepare(config)
    from mnist_trainer.sweeps.cluster.launcher import LocalLauncher, SlurmLauncher  # which load submitit

    Plugins.instance().class_name_to_class.update({ON_SLURM: SlurmLauncher, LOCAL: LocalLauncher})


def prepare(config: DictConfig) -> None:
    """Let jobs that run out of time go on, and be told of it before; what the command line says stays."""
    launcher = config.hydra.launcher
    given = {override_key(override) for override in overrides_as_typed(config.hydra, "hydra")}
    limit, delay = 60 * launcher.timeout_min, launcher.signal_delay_s
    with read_write(config.hydra):
        if "hydra.launcher.max_num_timeout" not in given:
            launcher.max_num_timeout = TIMEOUTS
        if "hydra.launcher.signal_delay_s" not in given:
            launcher.signal_delay_s = delay = min(delay, limit // 4)
    if limit - delay - PERIOD_SECONDS < START_SECONDS:
        log.warning(
            f"hydra.launcher.timeout_min={launcher.timeout_min}: Slurm may tell jobs {delay + PERIOD_SECONDS} s before "
            "that their time is over, when they have not begun yet; give it more, or a smaller "
            f"hydra.launcher.signal_delay_s than {delay}"
        )
