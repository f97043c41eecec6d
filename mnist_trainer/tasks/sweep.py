"""A multirun as one thing: a parent run, one shipper for all its jobs, a table and a picture at its end."""

import copy
import json
import logging
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from mnist_trainer.analysis.sweep.jobs import key_of, read_jobs, unusable
from mnist_trainer.analysis.sweep.pairs import as_metrics, as_records, compare_modes
from mnist_trainer.analysis.sweep.report import as_markdown
from mnist_trainer.build import build_data, check_config
from mnist_trainer.composition import typed
from mnist_trainer.config import DataConfig, TrackingConfig
from mnist_trainer.config_errors import explain
from mnist_trainer.errors import ConfigError, MnistTrainerError
from mnist_trainer.files import read_object
from mnist_trainer.tasks.provenance import machine_tags
from mnist_trainer.tasks.shipping import Tracked, shipped, shown
from mnist_trainer.tracking.journal import Journal, Status

log = logging.getLogger(__name__)

SWEEP = "sweep.json"
REPORT = "sweep.md"
PICTURES = {"loss_modes.png": "the loss modes' curves", "paired_differences.png": "their paired differences"}
SEVERAL = "several data sets"
"""The experiment of a sweep over data sets; its runs are in those of their own data."""


def parent_of(sweep_folder: Path) -> str | None:
    """Return the run of the sweep whose folder it is; None if it has none."""
    try:
        return str(read_object(sweep_folder / SWEEP)["run"])
    except (OSError, ValueError, KeyError):
        return None


class SweepCallback(Callback):
    """Hydra's hooks around a multirun; holds nothing, since launchers send it to other processes."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin the sweep."""
        if config.task.name != "train":
            return
        try:
            if config.resume is not None:
                raise ConfigError("resume goes on with a single run: leave --multirun out")
            Sweep.current = Sweep(config)
        except (MnistTrainerError, OmegaConfBaseException, OSError) as error:
            # Hydra turns a callback's exceptions into warnings and goes on
            message = explain(error) if isinstance(error, OmegaConfBaseException) else str(error)
            sys.stderr.write(f"mnist_trainer: {message}\n")
            raise SystemExit(2) from None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """End the sweep; with exit code 2 if its jobs could not even begin."""
        if problems := finish("FINISHED"):
            sys.stderr.write("".join(f"mnist_trainer: {problem}\n" for problem in problems))
            raise SystemExit(2)


def finish(status: Status, reason: str | None = None) -> list[str]:
    """End the sweep that runs in this process, if there is one; returns why none of its jobs could begin, if so."""
    if Sweep.current is None:
        return []
    sweep, Sweep.current = Sweep.current, None
    return sweep.finish(status, reason)


class Sweep:
    """A multirun in this process: finds the data, keeps the parent run's journal and the shipper.

    Raises `ConfigError`, `DataError` and `TrackingError` before any job begins.
    """

    current: "ClassVar[Sweep | None]" = None
    failed_jobs: ClassVar[int] = 0

    def __init__(self, config: DictConfig) -> None:
        self.folder = Path(config.hydra.sweep.dir).absolute()
        data, tracking = OmegaConf.to_object(config.data), OmegaConf.to_object(config.tracking)
        assert isinstance(data, DataConfig)
        assert isinstance(tracking, TrackingConfig)
        self.tracked = Tracked(tracking, Path(config.outputs).absolute())
        self.tracked.check()
        overrides = list(config.hydra.overrides.task)
        check_fixed(config, overrides)
        # Found, and if need be downloaded, once, before jobs that may run side by side
        experiment = SEVERAL if sweeps_data(overrides) else build_data(data).name
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"sweep {' '.join(overrides)}".strip()
        record = self.tracked.record("sweep", experiment=experiment, name=name, parent=None)
        self._journal = Journal(self.folder)
        self._content: dict[str, Any] = {"run": record.run, "overrides": overrides}
        self._write_content()
        self._shipper = ExitStack()
        self._shipper.enter_context(shipped(self.tracked, self.folder, "sweep"))
        self._journal.start(record)
        self._journal.tags({"sweep.overrides": " ".join(overrides), "data.name": experiment, **machine_tags()})

    def finish(self, status: Status, reason: str | None = None) -> list[str]:
        """Write the report, end the parent run, and wait for the shipper; see the function `finish`."""
        jobs = read_jobs(self.folder)
        failed = [job for job in jobs if not job.finished]
        Sweep.failed_jobs = len(failed)
        comparisons = compare_modes(jobs)
        report = as_markdown(jobs, comparisons)
        (self.folder / REPORT).write_text(report, encoding="utf-8")
        log.info(f"\n{report}")
        self._content["pairs"] = as_records(comparisons)  # before the journal's end: the shipper draws it then
        self._write_content()
        if metrics := as_metrics(comparisons):
            self._journal.metrics(0, metrics)
        self._journal.artifact(REPORT)
        self._journal.artifact(SWEEP)
        if failed and reason is None:
            status, reason = "FAILED", f"{len(failed)} of {len(jobs)} jobs have no result: see {REPORT}"
        self._journal.end(status, reason)
        self._journal.close()
        if status == "KILLED":
            self._shipper.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # then it doesn't wait long
        self._shipper.close()
        if self.tracked.mode == "off":
            draw(self.folder)
        log.info(f"sweep: {len(jobs) - len(failed)} of {len(jobs)} jobs finished; in {shown(self.folder)}:")
        pictures = {name: what for name, what in PICTURES.items() if (self.folder / name).exists()}
        for name, what in {REPORT: "this report", **pictures}.items():
            log.info(f"    {name:<{max(map(len, [REPORT, *pictures]))}}  {what}")
        return unusable(jobs)

    def _write_content(self) -> None:
        temporary = self.folder / f".{SWEEP}"
        temporary.write_text(json.dumps(self._content, indent=2) + "\n")
        temporary.replace(self.folder / SWEEP)


def check_fixed(config: DictConfig, overrides: list[str]) -> None:
    """Raise `ConfigError` for what is wrong in every job: it lies in a group, or key, that the sweep doesn't vary."""
    swept = {key.partition(".")[0] for key in swept_keys(overrides)}
    if swept & {"experiment", "plugins"}:  # they may change any
        return
    given = {key_of(override).partition(".")[0] for override in overrides} - swept
    job = copy.deepcopy(config)
    with open_dict(job):
        job.pop("hydra")
    try:
        check_config(typed(job))
    except ConfigError as error:
        wrong = [problem for problem in error.problems if re.split(r"\W", problem, maxsplit=1)[0] in given]
        if wrong:
            raise ConfigError(*wrong) from None


def swept_keys(overrides: list[str]) -> list[str]:
    """Return the keys and groups that differ from job to job."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    return [each.key_or_group for each in parsed if each.is_sweep_override()]


def sweeps_data(overrides: list[str]) -> bool:
    """Tell whether the jobs of a sweep are on several data sets."""
    return any(key.partition(".")[0] in ("data", "experiment") for key in swept_keys(overrides))


def draw(folder: Path) -> None:
    """Draw a sweep's pictures, in a process of its own: this one never loads matplotlib."""
    command = [sys.executable, "-m", "mnist_trainer.tracking.draw", str(folder)]
    source = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        log.warning(f"the pictures can't be drawn: {done.stderr.strip().splitlines()[-1:]}")
