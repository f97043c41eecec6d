"""Hydra's hooks around a multirun: which jobs it has, what is wrong in all of them, how many run side by side."""

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.build import build_data
from mnist_trainer.composition import explain, key_of
from mnist_trainer.config import DataConfig, TrackingConfig
from mnist_trainer.credentials import hide
from mnist_trainer.errors import ConfigError, MnistTrainerError
from mnist_trainer.files import OUTCOME
from mnist_trainer.journal.reading import is_alive, read_start
from mnist_trainer.runs.cores import share_cpus, usable_cpus
from mnist_trainer.runs.resumption import tracked_as_before
from mnist_trainer.runs.tracked import Tracked
from mnist_trainer.sweeps.jobs import job_folders
from mnist_trainer.sweeps.overrides import check_fixed, choices_of, combinations, hand_over, sweeps_data
from mnist_trainer.sweeps.resumption import SweepResumption
from mnist_trainer.sweeps.sweep import Sweep, finish
from mnist_trainer.training.interruption import Interrupted
from mnist_trainer.words import shown

log = logging.getLogger(__name__)

BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
SEVERAL = "several data sets"
"""The experiment of a sweep over data sets; its runs are in those of their own data."""

BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"

PATIENCE_SECONDS = 2.0


class SweepCallback(Callback):
    """Begins a sweep, or goes on with one, and ends it; holds nothing, since launchers send it to other processes."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin or go on; exits with code 2 if that can't be, and with 0 if nothing is left to do."""
        if config.task.name != "train" and config.sweep.resume is None:
            return
        try:
            if config.resume is not None:
                raise ConfigError("resume goes on with a single run: leave --multirun out")
            limit_workers(config)
            sweep = begin(config) if config.sweep.resume is None else go_on(config)
            if config.hydra.launcher._target_ != BASIC_LAUNCHER:
                part_gently(sweep.folder)
        except (MnistTrainerError, HydraException, OmegaConfBaseException, OSError) as error:
            # Hydra turns a callback's exceptions into warnings and goes on
            message = str(error) if isinstance(error, MnistTrainerError | OSError) else explain(error)
            sys.stderr.write(f"mnist_trainer: {message}\n")
            raise SystemExit(2) from None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """End the sweep; with exit code 2 if its jobs could not even begin."""
        if problems := finish("FINISHED"):
            sys.stderr.write("".join(f"mnist_trainer: {problem}\n" for problem in problems))
            raise SystemExit(2)


def begin(config: DictConfig) -> Sweep:
    """Begin a sweep, in a new folder."""
    if any(key_of(override) == "hydra.sweep.subdir" for override in config.hydra.overrides.hydra):
        raise ConfigError("hydra.sweep.subdir: the folders of a sweep's jobs begin with their numbers; leave it out")
    listed = config.hydra.sweeper._target_ == BASIC_SWEEPER
    params = (config.hydra.sweeper.params or {}).items() if listed else ()
    overrides = [*(f"{key}={value}" for key, value in params), *config.hydra.overrides.task]
    tracking = OmegaConf.to_object(config.tracking)
    assert isinstance(tracking, TrackingConfig)
    tracking.uri = tracking.uri and hide(tracking.uri)
    tracked = Tracked(tracking, Path(config.outputs).absolute())
    experiment = checked(config, overrides, tracked)
    jobs = combinations(choices_of(overrides)) if listed else None
    if jobs is not None:
        hand_over(jobs)
    Sweep.current = Sweep.begun(Path(config.hydra.sweep.dir).absolute(), tracked, experiment, overrides, jobs)
    return Sweep.current


def go_on(config: DictConfig) -> Sweep:
    """Go on with the sweep that `sweep.resume` names, or say that it is finished and exit with code 0."""
    resumption = SweepResumption.prepared(
        str(config.sweep.resume), Path(config.outputs), list(config.hydra.overrides.task)
    )
    try:
        if resumption.finished:
            log.info(
                f"{shown(resumption.folder)}: this sweep is finished: all {len(resumption.jobs)} jobs have a result; "
                "nothing is left to do"
            )
            raise SystemExit(0)
        if config.hydra.sweeper._target_ != BASIC_SWEEPER:
            raise ConfigError("sweep.resume knows its jobs already: leave hydra/sweeper out")
        whole = resumption.configuration(config)
        tracking = OmegaConf.to_object(whole.tracking)
        assert isinstance(tracking, TrackingConfig)
        tracking.uri = tracking.uri and hide(tracking.uri)
        tracked = tracked_as_before(tracking, whole.outputs, resumption.start, set(map(key_of, resumption.means)))
        experiment = checked(whole, resumption.overrides, tracked)
        launched = resumption.launched()
        Sweep.current = Sweep.resumed(resumption, tracked, experiment)
    except BaseException:
        resumption.journal.close()
        raise
    hand_over(launched)
    with read_write(config.hydra):
        config.hydra.sweep.dir = str(resumption.folder)
    return Sweep.current


def checked(config: DictConfig, overrides: list[str], tracked: Tracked) -> str:
    """Raise what no job could run with; return the name of the data set, which is there then for all of them."""
    data = OmegaConf.to_object(config.data)
    assert isinstance(data, DataConfig)
    tracked.check()
    check_fixed(config, overrides)
    # Found, and if need be downloaded, once, before jobs that may run side by side
    experiment = SEVERAL if sweeps_data(overrides) else build_data(data).name
    tracked.require(experiment)
    return experiment


def limit_workers(config: DictConfig) -> None:
    """Let no more jobs run side by side than there are CPUs, each with its share of these."""
    wanted = config.hydra.launcher.get("n_jobs")  # joblib's
    if wanted is None:
        return
    if wanted == 0:
        raise ConfigError("hydra.launcher.n_jobs=0 runs no job; give 1 or more, or -1 for as many as there are CPUs")
    cpus = usable_cpus()
    workers = max(1, cpus + 1 + wanted if wanted < 0 else wanted)
    if workers > cpus:
        log.info(f"hydra.launcher.n_jobs={wanted}: there are {cpus} CPUs to use, so {cpus} jobs run side by side")
        workers = cpus
        with read_write(config.hydra):
            config.hydra.launcher.n_jobs = workers
    share_cpus(workers)


def part_gently(folder: Path) -> None:
    """Let a first SIGINT or SIGTERM wait for the running jobs of the sweep in `folder`; a second one leaves at once.

    A terminal's Ctrl-C reaches the jobs, too; SIGTERM is handed on. Launchers kill them once this process leaves.
    """

    def part(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, leave)
        running = [job for job in job_folders(folder).values() if is_alive(job)]
        if number == signal.SIGTERM:
            for job in running:
                hand_on(job, number)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and any(is_alive(job) or not (job / OUTCOME).exists() for job in running):
            time.sleep(0.02)
        raise Interrupted(number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, part)


def leave(number: int, frame: FrameType | None) -> None:
    """Raise `Interrupted`."""
    raise Interrupted(number)


def hand_on(job: Path, number: int) -> None:
    """Send the signal to the process that runs the job, if it is one of this host."""
    start = read_start(job)
    if start is not None and start.host == socket.gethostname():
        with contextlib.suppress(ProcessLookupError):
            os.kill(start.pid, number)
