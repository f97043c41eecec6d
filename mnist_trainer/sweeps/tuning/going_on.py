"""How a tuned sweep begins and goes on: what is checked before its first trial, and what a later command adds."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, open_dict, read_write

from mnist_trainer.composition import override_key
from mnist_trainer.errors import ConfigError
from mnist_trainer.journal.journal import Journal
from mnist_trainer.journal.reading import read_journal, read_start
from mnist_trainer.sweeps.overrides import is_means, is_the_commands
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.resumption import SweepResumption, check_stopped, read_listed, replaced, sweep_folder
from mnist_trainer.sweeps.sweep import Sweep
from mnist_trainer.sweeps.tuning.record import COMPLETE, PRUNED, StudyRecord
from mnist_trainer.sweeps.tuning.settings import Settings
from mnist_trainer.sweeps.tuning.storage import require_optuna
from mnist_trainer.sweeps.tuning.sweeper import rival_sweeper
from mnist_trainer.words import quoted, shown

log = logging.getLogger(__name__)

MAY_CHANGE = {"hydra.sweeper.n_trials", "hydra.sweeper.n_jobs", "hydra/sweeper"}
"""What a command that goes on may say otherwise of the sweeper."""


def check(config: DictConfig, overrides: Sequence[str], folder: Path) -> None:
    """Raise what no trial could run with, and what Optuna can't do; `overrides` are those of the sweep."""
    require_optuna()
    from mnist_trainer.sweeps.tuning.choices import pruner_of, sampler_of
    from mnist_trainer.sweeps.tuning.space import Space
    from mnist_trainer.sweeps.tuning.study import TunedStudy

    if rival_sweeper():
        log.info("hydra/sweeper=optuna: this package's own sweeper; that of hydra-optuna-sweeper stands back")
    if config.data.validation_size == 0:
        raise ConfigError("data.validation_size=0: trials are chosen by their validation, and have no images for it")
    settings = Settings.read(config.hydra)
    space = Space.of(overrides)
    sampler_of(settings.sampler, space.distributions, 0)
    pruner_of(settings.pruner, config.epochs)
    if settings.storage is not None:  # out of reach, or begun with something else; the sweep's own file is new
        TunedStudy.opened(settings, space, folder, config.epochs, overrides)


def begun(sweep: Sweep, config: DictConfig) -> None:
    """Let `sweep.json` say how the sweep is tuned."""
    name = config.hydra.sweeper.study_name or sweep.folder.name
    tuning = [*sweeper_overrides(config), f"hydra.sweeper.study_name={quoted(name)}"]
    sweep.record = replace(sweep.record, jobs=[], tuning=replaced([], tuning))
    sweep.record.write(sweep.folder)


def sweeper_overrides(config: DictConfig) -> list[str]:
    """Return the command line's overrides of Hydra's sweeper; an experiment may say more."""
    return [
        each
        for each in config.hydra.overrides.hydra
        if override_key(each).startswith(("hydra/sweeper", "hydra.sweeper"))
    ]


def is_tuned_sweep(resume: str, outputs: Path) -> bool:
    """Whether the sweep that `sweep.resume` names has a study; raises `ConfigError` if there is no such sweep."""
    record = SweepRecord.read(sweep_folder(resume, outputs))
    return record is not None and record.tuning is not None


def prepared(config: DictConfig) -> SweepResumption:
    """Read what there is of the sweep, hold its journal's lock, and let `config` have its sweeper.

    Raises `ConfigError` if the command line contradicts the sweep, `TrackingError` if it is still running.
    """
    require_optuna()
    resume = str(config.sweep.resume)
    folder = sweep_folder(resume, Path(config.outputs))
    record, jobs = read_listed(folder, resume)
    means = added(record.overrides, config.hydra.overrides.task)
    record = replace(record, tuning=changed(record.tuning or [], sweeper_overrides(config)))
    check_stopped(folder, jobs)
    resumption = SweepResumption(Journal(folder, reopened=True), read_start(folder), record, jobs, means)
    try:
        hydra = [each for each in config.hydra.overrides.hydra if each not in sweeper_overrides(config)]
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.hydra = [*hydra, *(record.tuning or [])]  # jobs are composed with these
            config.hydra.sweeper = resumption.configuration(config).hydra.sweeper
    except BaseException:
        resumption.journal.close()
        raise
    return resumption


def added(own: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return what a command line says of how jobs are done; raises `ConfigError` for what says which they are."""
    means = []
    for each in given:
        if is_the_commands(each) or each in own:
            continue
        if not is_means(override_key(each)):
            raise ConfigError(
                f"{each}: the study was begun without; leave {override_key(each)} out, or begin a new sweep"
            )
        means.append(each)
    return means


def changed(own: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return the sweeper's overrides with those given; raises `ConfigError` for what a study can't change."""
    for each in given:
        if each not in own and override_key(each) not in MAY_CHANGE:
            raise ConfigError(f"{each}: the study was begun with another; leave it out, or begin a new sweep")
    return replaced(own, given)


def is_finished(resumption: SweepResumption, settings: Settings) -> bool:
    """Whether the study has all its trials, and the sweep has said so."""
    end, study = read_journal(resumption.folder).end, StudyRecord.read(resumption.folder)
    if end is None or end.status != "FINISHED" or study is None:
        return False
    done = sum(each.state in (COMPLETE, PRUNED) for each in study.of_trials())
    log.info(f"{shown(resumption.folder)}: {done} of {settings.n_trials} trials are finished")
    return done >= settings.n_trials
