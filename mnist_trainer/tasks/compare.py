"""task=compare: train loss modes in lockstep, study the losses alone, write a report, and track it all."""

import logging
from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.analysis.comparison.entrants import comparison_tags, lockstep_of, log_entrants
from mnist_trainer.analysis.comparison.files import REPORT, ComparisonFiles
from mnist_trainer.analysis.comparison.lockstep import Lockstep
from mnist_trainer.analysis.comparison.progress import LockstepProgress
from mnist_trainer.analysis.comparison.summary import sum_up_lockstep
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import CompareConfig, Config
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.errors import ConfigError, DivergedError, SlipError
from mnist_trainer.journal.journal import Journal
from mnist_trainer.runs.cores import product_limits, product_threads
from mnist_trainer.runs.outcome import TaskOutcome
from mnist_trainer.runs.record import journaled
from mnist_trainer.runs.run import Result, Run
from mnist_trainer.runs.tracked import Tracked, shipped
from mnist_trainer.shipping.place import Place
from mnist_trainer.tasks.loss_modes import mode_configs
from mnist_trainer.training.interruption import Interruption
from mnist_trainer.words import shown, wrapped

log = logging.getLogger(__name__)


def compare(config: Config, folder: Path, *, alone: bool, overrides: Sequence[str] = ()) -> TaskOutcome:
    """Compare the modes of `task.modes` into a command's folder that exists; `overrides` made its configuration.

    `alone` is false when other jobs share the terminal: then there is no table. Raises `ConfigError` and `DataError`
    before anything is written, `DivergedError` if no mode gets to the end, and `Interrupted` after a signal.
    """
    task = config.task
    assert isinstance(task, CompareConfig)
    configs = mode_configs(config, task.modes)
    if config.trainer.patience is not None:
        raise ConfigError("trainer.patience: task=compare trains all modes for the same number of epochs; leave it out")
    tracked = Tracked(config.tracking, Path(config.outputs).absolute())
    tracked.check()
    dataset = build_data(config.data, kept=KeptFiles.current)
    place = tracked.place(dataset.name)
    parent = tracked.record("comparison", place=place, name=config.name, parent=None)
    runs = [
        Run(
            own,
            folder / f"{number}-{own.loss.name}",
            dataset,
            *build_trainer(own, dataset),
            tracked.record("run", place=Place(place.experiment), name=own.name, parent=parent.run),
        )
        for number, own in enumerate(configs)
    ]
    lockstep = lockstep_of(runs, shadow_every=task.shadow_every)
    if alone:
        log_entrants(runs)
    journaling = journaled(config, folder, dataset, parent, trainer=runs[0].trainer, tags=comparison_tags(runs))
    threads = product_limits(product_threads(config.trainer))
    with shipped(tracked, folder, "comparison"), journaling as journal, threads:
        try:
            with Interruption() as interruption:
                train_all(lockstep, journal, interruption, table=alone, bar=config.trainer.progress)
                files = conclude_comparison(lockstep, runs, journal, overrides)
                interruption.check()  # one that came after the last batch
            verdict = files.study(timed=task.timing)
        except KeyboardInterrupt:
            if (folder / REPORT).exists():
                log.warning(f"interrupted; what was measured until then: {shown(folder / REPORT)}")
            raise
        log.info("the verdict:")
        for sentence in verdict:
            log.info(wrapped(sentence, "- "))
        log.info(f"the report: {shown(folder / REPORT)}")
        if all(entrant.result is None for entrant in lockstep.entrants):
            reasons = "; ".join(f"{entrant.name}: {entrant.failure}" for entrant in lockstep.entrants)
            raise DivergedError(f"no mode got to its end: {reasons}")
    slipped = any(isinstance(entrant.failure, SlipError) for entrant in lockstep.entrants)
    return TaskOutcome(int(slipped), {"run": parent.run, "name": config.name, "data": dataset.name, "verdict": verdict})


def train_all(lockstep: Lockstep[Result], journal: Journal, stop: Interruption, *, table: bool, bar: bool) -> None:
    """Train the modes to their ends, under the eyes of the terminal and the journal."""
    for entrant in lockstep.entrants:
        entrant.trainer.interruption = stop
    with lockstep, LockstepProgress(lockstep, journal, table=table, bar=bar) as progress:
        for step in lockstep.rounds():
            progress.update(step)


def conclude_comparison(
    lockstep: Lockstep[Result], runs: Sequence[Run], journal: Journal, overrides: Sequence[str]
) -> ComparisonFiles:
    """Tell the runs' results, and write down at once what the training came to."""
    for run, entrant in zip(runs, lockstep.entrants, strict=True):
        if entrant.result is not None:
            run.tell(entrant.result)
    comparison = sum_up_lockstep(lockstep)
    files = ComparisonFiles(runs, comparison, journal, overrides)
    files.write()
    return files
