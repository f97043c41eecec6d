"""task=train: train a model, evaluate it on the official test set, and track the run."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mnist_trainer.build import build_callbacks, build_data, build_trainer
from mnist_trainer.config import Config
from mnist_trainer.data.dataset import Dataset
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.errors import DivergedError, PrunedError
from mnist_trainer.files import CHECKPOINT, JOURNAL, MODEL
from mnist_trainer.journal.reading import read_start
from mnist_trainer.runs.cores import cores_for, product_limits, take_cores
from mnist_trainer.runs.folder import is_finished
from mnist_trainer.runs.next_steps import predict_command
from mnist_trainer.runs.record import JobName, log_setup
from mnist_trainer.runs.resumption import Resumption
from mnist_trainer.runs.run import Result, Run, run_to_end
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.training.callbacks import Console
from mnist_trainer.training.interruption import Interruption
from mnist_trainer.training.trainer import Callback
from mnist_trainer.words import command, given, shown

log = logging.getLogger(__name__)


def train(
    config: Config,
    folder: Path,
    *,
    parent: str | None = None,
    alone: bool = True,
    overrides: Sequence[str] = (),
    resumption: Resumption | None = None,
    data: Dataset | None = None,
    called: JobName | None = None,
    judges: Sequence[Callback] = (),
    apart: str | None = None,
) -> Result:
    """Train as the configuration says, into a run's folder that exists.

    `parent` is the sweep that it belongs to, which has `called` it something.

    `alone` is false when other runs share the terminal: then there is no table, and one line at the end. `overrides`
    are what led to the configuration, for a later resume; `resumption` is that of the run whose folder it is. `data`
    are taken instead of those that the configuration names. `judges` may end the run after an epoch. `apart` is the run
    of a job that shares no folder with its sweep.
    Raises `ConfigError` and `DataError` before anything is written, `DivergedError`, and `Interrupted` after a signal.
    """
    if resumption is not None:
        tracked = resumption.tracked
    else:  # a sweep's journal may have begun elsewhere
        sweep = read_start(folder.parent) if parent and not apart else None
        tracked = Tracked.as_before(config.tracking, config.outputs, sweep)
    tracked.check()
    dataset = build_data(config.data, data, kept=KeptFiles.current)
    trainer, test = build_trainer(config, dataset)
    start = None if resumption is None else resumption.start
    place = tracked.place(dataset.name, parent=parent) if start is None else tracked.place_of(start, parent=parent)
    kept = resumption.processes if resumption else None
    cores = cores_for(config.trainer, trainer, alone=alone, kept=kept)
    take_cores(cores, config.trainer, trainer)
    if resumption is not None:
        resumption.restore(trainer, dataset)
        record = resumption.record(tracked, place, parent)
        resumption.describe(trainer)
        resumption.begin(record, trainer.processes)
    else:
        name = called.name if called else config.name
        record = tracked.record("run", place=place, name=name, parent=parent, apart=apart)
    if alone:
        log_setup(config, dataset, trainer, with_model=parent is None and resumption is None)
    # A sweep's shipper serves all jobs in its folder
    shipper = shipped(tracked, folder, apart=bool(apart)) if parent is None or apart else nullcontext()
    callbacks = build_callbacks(config.trainer.callbacks)
    if alone:
        callbacks = [Console(bar=config.trainer.progress), *callbacks]
    coloured = called is None or called.coloured
    run = Run(config, folder, dataset, trainer, test, record, overrides, resumption, coloured, judges)
    going_on = telling_how_to_go_on(folder) if parent is None else nullcontext()
    with going_on, shipper, product_limits(cores.threads), Interruption() as trainer.interruption:
        result = run_to_end(run.updates(callbacks, on_its_own=True))
        run.tell(result)
    if parent is None and (folder / MODEL).exists():
        log.info("to ask it about a picture of your own:")
        log.info(f"    {predict_command(folder)}")
    return result


@contextmanager
def telling_how_to_go_on(folder: Path) -> Iterator[None]:
    """When a run without a result ends within the block, log the command that goes on with it, unless in vain.

    One that was interrupted may begin anew; one that failed has to have a checkpoint, of numbers that were finite.
    """
    try:
        yield
    except (DivergedError, PrunedError):
        raise
    except (KeyboardInterrupt, Exception) as error:
        needed = CHECKPOINT if isinstance(error, Exception) else JOURNAL
        if (folder / needed).exists() and not is_finished(folder):
            log.info("to go on with it:")
            log.info(f"    {command('mnist_trainer', given('resume', shown(folder)))}")
        raise
