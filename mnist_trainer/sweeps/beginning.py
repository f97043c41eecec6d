"""A multirun begins, or goes on, once nothing is wrong in all of its jobs."""

import logging
import sys
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.build import build_data
from mnist_trainer.complaints.composing import explain
from mnist_trainer.complaints.origin import overrides_as_typed
from mnist_trainer.composition import conf_folder, override_key, tracking_of
from mnist_trainer.config import DataConfig, SweepConfig
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.errors import ConfigError, MnistTrainerError, error_in_words
from mnist_trainer.files import at_home
from mnist_trainer.hyperparameters import construct_hyperparameters
from mnist_trainer.journal.events import Start
from mnist_trainer.runs.tracked import SEVERAL, Tracked
from mnist_trainer.shipping.place import Place
from mnist_trainer.sweeps.apart import check, check_silent, hand_down, require
from mnist_trainer.sweeps.cluster.settings import is_on_cluster, take_over
from mnist_trainer.sweeps.composed import check_jobs
from mnist_trainer.sweeps.on_ray import RAY, join
from mnist_trainer.sweeps.overrides import choices_of, combinations, is_the_commands, samples, sweeps_data
from mnist_trainer.sweeps.record import SweepRecord
from mnist_trainer.sweeps.replaced import compose_once, hand_over, vouch_for
from mnist_trainer.sweeps.resumption import SweepResumption, check_stopped, sweep_folder
from mnist_trainer.sweeps.side_by_side import limit_workers, part_gently
from mnist_trainer.sweeps.sweep import BASIC_LAUNCHER, Sweep
from mnist_trainer.sweeps.tuning import going_on
from mnist_trainer.sweeps.tuning.settings import Settings, is_tuned
from mnist_trainer.words import quoted, shown

log = logging.getLogger(__name__)

BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def begin_or_go_on(config: DictConfig) -> None:
    """Begin or go on; exits with code 2 if that can't be, and with 0 if nothing is left to do."""
    try:
        config.outputs = at_home(config.outputs)
        on_cluster = is_on_cluster(config)
        if on_cluster:
            take_over(config)
        construct_hyperparameters(SweepConfig, dict(config.sweep))
        if config.hydra.launcher._target_ == BASIC_LAUNCHER:
            KeptFiles.current = KeptFiles()
            if config.hydra.sweeper._target_ == BASIC_SWEEPER:
                compose_once()
        if config.task.name != "train" and config.sweep.resume is None:
            check_jobs(config, jobs_of(config, overrides_of(config)))
            return
        if config.resume is not None:
            raise ConfigError("resume goes on with a single run: leave --multirun out")
        limit_workers(config)
        join(config)
        sweep = begin_sweep(config) if config.sweep.resume is None else go_on_with_sweep(config)
        if sweep.record.apart:
            hand_down(config, sweep.folder, sweep.record, sweep.tracked.uri)
        if config.hydra.launcher._target_ != BASIC_LAUNCHER:
            if not sweep.record.apart:
                find_everywhere(config, sweep.folder)
            if config.hydra.launcher._target_ != RAY and not on_cluster:  # which do so themselves
                part_gently(sweep.folder)
    except (MnistTrainerError, HydraException, OmegaConfBaseException, OSError) as error:
        # Hydra turns a callback's exceptions into warnings and goes on
        known = isinstance(error, MnistTrainerError | OSError)
        message = error_in_words(error) if known else explain(error, overrides_as_typed(config.hydra), conf_folder())
        sys.stderr.write(f"mnist_trainer: {message}\n")
        raise SystemExit(2) from None
    except Exception as bug:
        raise SystemExit(1) from bug  # which the command raises again


def find_everywhere(config: DictConfig, folder: Path) -> None:
    """Let jobs find the sweep's folder from whatever directory a launcher starts them in."""
    with read_write(config.hydra):
        config.hydra.sweep.dir = str(folder)
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(folder))}")


def begin_sweep(config: DictConfig) -> Sweep:
    """Begin a sweep, in a new folder."""
    if any(override_key(override) == "hydra.sweep.subdir" for override in overrides_as_typed(config.hydra, "hydra")):
        raise ConfigError("hydra.sweep.subdir: the folders of a sweep's jobs begin with their numbers; leave it out")
    listed = config.hydra.sweeper._target_ == BASIC_SWEEPER
    tuned, overrides = is_tuned(config.hydra), overrides_of(config)
    tracked = Tracked(tracking_of(config), Path(config.outputs).absolute())
    folder = Path(config.hydra.sweep.dir).absolute()
    apart = not config.sweep.shared_folder
    if apart:
        check(tracked, config.hydra.sweeper.storage if tuned else None, tuned=tuned)
    if tuned:
        going_on.check(config, overrides, folder)
    jobs = jobs_of(config, overrides)
    data, place = check_sweep(config, overrides, tracked, jobs)
    if apart:
        require(tracked, place.experiment)
    if listed:
        vouch_for(jobs)
    Sweep.current = Sweep.begun(folder, tracked, place, data, overrides, jobs if listed else None, apart=apart)
    if tuned:
        going_on.begun(Sweep.current, config)
    return Sweep.current


def go_on_with_sweep(config: DictConfig) -> Sweep:
    """Go on with the sweep that `sweep.resume` names, or say that it is finished and exit with code 0."""
    given = [each for each in overrides_as_typed(config.hydra) if not is_the_commands(each)]
    resume, outputs = str(config.sweep.resume), Path(config.outputs)
    listen(resume, outputs, config.tracking.wait_seconds)
    tuned = going_on.is_tuned_sweep(resume, outputs)
    resumption = going_on.prepared(config) if tuned else SweepResumption.prepared(resume, outputs, given)
    try:
        if going_on.is_finished(resumption, Settings.read(config.hydra)) if tuned else resumption.finished:
            done = "all trials are done" if tuned else f"all {len(resumption.jobs)} jobs have a result"
            log.info(f"{shown(resumption.folder)}: this sweep is finished: {done}; nothing is left to do")
            raise SystemExit(0)
        if not tuned and config.hydra.sweeper._target_ != BASIC_SWEEPER:
            raise ConfigError("sweep.resume knows its jobs already: leave hydra/sweeper out")
        whole = resumption.configuration(config)
        changes = set(map(override_key, resumption.means))
        tracked = Tracked.as_before(tracking_of(whole), whole.outputs, resumption.start, changes)
        jobs = samples(resumption.record.overrides) if tuned else resumption.launched()
        data, place = check_sweep(whole, resumption.record.overrides, tracked, jobs, resumption.start)
        if not tuned:
            vouch_for(jobs)
            hand_over(jobs, config.hydra.sweeper.max_batch_size)
        Sweep.current = Sweep.resumed(resumption, tracked, place, data)
    except BaseException:
        resumption.journal.close()
        raise
    with read_write(config.hydra):
        config.hydra.sweep.dir = str(resumption.folder)
    return Sweep.current


def listen(resume: str, outputs: Path, wait_seconds: float) -> None:
    """Bring back what jobs on other hosts have left of the sweep that goes on, and see that none is at work."""
    folder = sweep_folder(resume, outputs)
    record = SweepRecord.read(folder)
    if record is not None and record.apart:
        check_stopped(folder, [])
        check_silent(folder, wait_seconds)


def overrides_of(config: DictConfig) -> list[str]:
    """Return the command line's overrides, behind those of the sweeper's own `params`."""
    knows = config.hydra.sweeper._target_ == BASIC_SWEEPER or is_tuned(config.hydra)
    params = (config.hydra.sweeper.params or {}).items() if knows else ()
    given = [each for each in overrides_as_typed(config.hydra) if not is_the_commands(each)]
    return [*(f"{key}={value}" for key, value in params), *given]


def jobs_of(config: DictConfig, overrides: list[str]) -> list[list[str]]:
    """Return the jobs of a sweep or, where its sweeper chooses them as it goes, such as there may be."""
    listed = config.hydra.sweeper._target_ == BASIC_SWEEPER
    if not listed:
        return samples(overrides)
    choices = choices_of(overrides)
    if empty := [key for key, values in choices.items() if not values]:
        raise ConfigError(f"{empty[0]}: what is given stands for no value, so that there is no job")
    return combinations(choices)


def check_sweep(
    config: DictConfig, overrides: list[str], tracked: Tracked, jobs: list[list[str]], start: Start | None = None
) -> tuple[str, Place]:
    """Raise what a job could not run with; return the name of the data, which are there then, and where it goes."""
    tracked.check()
    size = config.hydra.sweeper.get("max_batch_size")
    if size is not None and size < 1:
        raise ConfigError(f"hydra.sweeper.max_batch_size={size} is out of range: must be at least 1")
    check_jobs(config, jobs)
    data = OmegaConf.to_object(config.data)
    assert isinstance(data, DataConfig)
    # Found, and if need be downloaded, once, before jobs that may run side by side
    name = SEVERAL if sweeps_data(overrides) else build_data(data, kept=KeptFiles.current).name
    return name, tracked.place(name) if start is None else tracked.place_of(start)
