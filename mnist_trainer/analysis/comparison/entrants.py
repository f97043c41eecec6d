"""From a run for each loss mode to their training in lockstep, and what is said of it before it begins."""

import logging
from collections.abc import Sequence

from numpy.typing import DTypeLike

from mnist_trainer.analysis.comparison.copies import Copies
from mnist_trainer.analysis.comparison.lockstep import Entrant, Lockstep
from mnist_trainer.runs.record import log_data
from mnist_trainer.runs.run import Result, Run

log = logging.getLogger(__name__)


def lockstep_of(runs: Sequence[Run], *, shadow_every: int) -> Lockstep[Result]:
    """Let the runs train in lockstep; gradients are computed in float64, too, every so many updates.

    Raises `ConfigError` if the modes can't be compared at the same parameters.
    """
    dtype = runs[0].config.dtype
    return Lockstep(
        [Entrant(run.config.loss.name, run.trainer, run.updates()) for run in runs],
        build_copies(runs, dtype),
        build_copies(runs, "float64") if dtype != "float64" else None,
        shadow_every=shadow_every,
    )


def build_copies(runs: Sequence[Run], dtype: DTypeLike) -> Copies:
    """Make a copy of the network for each run's mode, for their training batches."""
    config, dataset, train = runs[0].config, runs[0].dataset, runs[0].trainer.train
    max_batch = min(config.batch_size, train.samples)
    losses = [run.config.loss for run in runs]
    return Copies(config, losses, dataset.image_shape, dataset.classes, max_batch, dtype)


def comparison_tags(runs: Sequence[Run]) -> dict[str, str]:
    """Return the parent run's tags that tell the modes, and which of them are exact."""
    modes = ", ".join(run.config.loss.name for run in runs)
    exact = ", ".join(str(run.trainer.loss.exact).lower() for run in runs)
    return {"modes": modes, "loss.mode": modes, "loss.exact": exact}


def log_entrants(runs: Sequence[Run]) -> None:
    """Log what is about to happen."""
    config, trainer = runs[0].config, runs[0].trainer
    first, *_ = names = [run.config.loss.name for run in runs]
    log_data(runs[0].dataset, trainer)
    log.info(trainer.model.summary())
    mistakes = [run.config.loss.name for run in runs if not run.trainer.loss.exact]
    if mistakes:
        log.warning(f"mistakes, wrong on purpose: {', '.join(mistakes)}")
    log.info(
        f"in lockstep: {', '.join(names)}; batch size {config.batch_size}, seed {config.seed}\n"
        f"optimizer: {config.optimizer.name}, learning rate {config.optimizer.lr:g} ({config.schedule.name})"
    )
    log.info(
        f"Δg/g: how far dL/dz is from that of {first}, at the same parameters: ‖Δ‖/‖g‖\n"
        f"      (the largest of the epoch)"
    )
    log.info(f"Δθ/θ: how far the trained parameters are from those of {first}")
