"""task=train: train a model, evaluate it on the official test set, and track the run."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from threadpoolctl import threadpool_limits

from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import Config
from mnist_trainer.journal.reading import read_start
from mnist_trainer.runs.cores import cores_for
from mnist_trainer.runs.record import describe
from mnist_trainer.runs.resumption import Resumption
from mnist_trainer.runs.run import Result, Run, completed
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.training.callbacks import Console
from mnist_trainer.training.interruption import Interruption
from mnist_trainer.training.trainer import Callback

log = logging.getLogger(__name__)


def train(
    config: Config,
    folder: Path,
    *,
    parent: str | None = None,
    alone: bool = True,
    overrides: Sequence[str] = (),
    resumption: Resumption | None = None,
    judges: Sequence[Callback] = (),
) -> Result:
    """Train as the configuration says, into a run's folder that exists; `parent` is the sweep that it belongs to.

    `alone` is false when other runs share the terminal: then there is no table, and one line at the end. `overrides`
    are what led to the configuration, for a later resume; `resumption` is that of the run whose folder it is; `judges`
    may end it after an epoch.
    Raises `ConfigError` and `DataError` before anything is written, `DivergedError`, and `Interrupted` after a signal.
    """
    if resumption is not None:
        tracked = resumption.tracked
    else:  # a sweep's journal may have begun elsewhere
        tracked = Tracked.as_before(config.tracking, config.outputs, read_start(folder.parent) if parent else None)
    tracked.check()
    dataset = build_data(config.data)
    trainer, test = build_trainer(config, dataset)
    if parent is None:  # a sweep has asked, for all its jobs
        tracked.require(dataset.name)
    kept = resumption.processes if resumption else None
    cores = cores_for(config.trainer, trainer, alone=alone, kept=kept)
    trainer.processes = cores.processes
    if resumption is not None:
        resumption.restore(trainer, dataset)
        record = resumption.record(tracked, dataset.name, parent)
        resumption.describe(trainer)
        resumption.begin(record, trainer.processes)
    else:
        record = tracked.record("run", experiment=dataset.name, name=config.name, parent=parent)
    if alone:
        describe(config, dataset, trainer, with_model=parent is None and resumption is None)
    shipper = shipped(tracked, folder) if parent is None else nullcontext()  # a sweep's shipper serves all its jobs
    console = [Console(bar=config.trainer.progress)] if alone else []
    run = Run(config, folder, dataset, trainer, test, record, overrides, resumption, judges)
    with shipper, threadpool_limits(cores.threads, "blas"), Interruption() as trainer.interruption:
        result = completed(run.updates(console, on_its_own=True))
        run.tell(result)
    return result
