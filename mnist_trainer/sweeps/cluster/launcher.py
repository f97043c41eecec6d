"""submitit's launchers, in the place of Hydra's plugin for them: they wait for all jobs, whatever becomes of some.

The plugin raises what the first job without a result raised, and leaves the others to themselves. Here the sweep's
report says what became of each, and a signal to the command cancels what it has launched.
"""

import logging
import os
import re
import signal
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import submitit
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_submitit_launcher import submitit_launcher
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from omegaconf import OmegaConf

from mnist_trainer.bar import Bar
from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.cluster import job as job_side
from mnist_trainer.sweeps.cluster import slurm
from mnist_trainer.sweeps.cluster.last_word import say_it
from mnist_trainer.sweeps.cluster.launched import OVER, SLURM, SUBMITTED, Launched
from mnist_trainer.sweeps.cluster.returned import returned, said, slim
from mnist_trainer.sweeps.jobs import read_jobs
from mnist_trainer.sweeps.side_by_side import leave_side_by_side
from mnist_trainer.training.interruption import Interruption, handle_signals
from mnist_trainer.words import counted_in_words, shown

log = logging.getLogger(__name__)

LEAVE = "leave"
CANCEL_SECONDS = 60.0
"""How long a command waits for the checkpoints of the jobs that it has cancelled."""


class ClusterLauncher(submitit_launcher.BaseSubmititLauncher):  # type: ignore[misc]
    """Launches jobs by submitit, and waits for them."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs, and return when all have ended; raises `ConfigError` if the cluster refuses them."""
        folder = Path(str(self.config.hydra.sweep.dir)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        numbers = [number_of(each, initial_job_idx + place) for place, each in enumerate(job_overrides)]
        launched = Launched.read(folder) or Launched(self._EXECUTOR)
        with Interruption() as interruption:  # a signal waits until it is known what there is to cancel
            jobs = dict(zip(numbers, self._submitted(job_overrides, initial_job_idx), strict=True))
            launched = launched.again(self._EXECUTOR, {number: job.job_id for number, job in jobs.items()})
            launched.write(folder)
        try:
            interruption.check()
            self._tell(jobs, folder)
            ended = self._wait(jobs)
        except KeyboardInterrupt:
            self._stop(jobs, launched, folder)
            raise
        self._over(ended, launched, folder)
        return [returned(jobs[number], own) for number, own in zip(numbers, job_overrides, strict=True)]

    def _submitted(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Any]:
        state, jobs = Singleton.get_state(), []
        size = self._largest_array()
        for start in range(0, len(job_overrides), size):
            chunk = [list(each) for each in job_overrides[start : start + size]]
            places = range(first + start, first + start + len(chunk))
            same = [["hydra.sweep.dir"] * len(chunk), places, map("job_id_for_{}".format, places), [state] * len(chunk)]
            try:
                jobs += self._executor().map_array(self, chunk, *same)
            except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
                for each in jobs:
                    each.cancel(check=False)
                raise ConfigError(f"hydra.launcher: the cluster refuses the jobs: {str(error).strip()}") from error
        return jobs

    def _executor(self) -> Any:
        params = dict(self.params)
        first = {"folder": params.pop("submitit_folder")}
        if "max_num_timeout" in params:
            first[f"{self._EXECUTOR}_max_num_timeout"] = params.pop("max_num_timeout")
        executor = submitit.AutoExecutor(cluster=self._EXECUTOR, **first)
        of_all = set(OmegaConf.structured(BaseQueueConf))
        executor.update_parameters(
            **{name if name in of_all else f"{self._EXECUTOR}_{name}": value for name, value in params.items()}
        )
        return executor

    def _wait(self, jobs: Mapping[int, Any]) -> dict[int, str]:
        """Return when all have ended, and how."""
        ended: dict[int, str] = {}
        started, asked = time.monotonic(), time.monotonic()
        with Bar(len(jobs), " jobs") as bar:
            while left := {number: job for number, job in jobs.items() if number not in ended}:
                ended |= {number: OVER for number, job in left.items() if job.paths.result_pickle.exists()}
                now = time.monotonic()
                if now - asked > min(20.0, 1.0 + (now - started) / 20):
                    ended |= self._without_result({each: left[each] for each in left.keys() - ended.keys()})
                    asked = time.monotonic()
                bar.update(len(ended) - bar.n)
                if len(ended) < len(jobs):
                    time.sleep(min(2.0, 0.1 + (now - started) / 50))
        return {number: said(jobs[number], state) for number, state in ended.items()}

    def _stop(self, jobs: Mapping[int, Any], launched: Launched, folder: Path) -> None:
        """Cancel the jobs, and wait for their checkpoints; or leave them, if that is wanted."""
        handle_signals(leave_side_by_side)
        if self.config.sweep.on_interrupt == LEAVE and self._can_leave(jobs):
            return
        left = {number: job for number, job in jobs.items() if not job.paths.result_pickle.exists()}
        log.warning(f"cancels {counted_in_words(len(left), 'job')}, and waits for their checkpoints")
        self._cancel(left)
        until, gone = time.monotonic() + CANCEL_SECONDS, set[int]()
        while gone < left.keys() and time.monotonic() < until:
            gone |= self._without_result(left).keys()
            time.sleep(0.3)
        self._over(dict.fromkeys(gone | (jobs.keys() - left.keys()), OVER), launched, folder)

    def _over(self, ended: Mapping[int, str], launched: Launched, folder: Path) -> None:
        """Write down how jobs have ended, also for those that could not."""
        launched.over(ended).write(folder)
        say_it(read_jobs(folder, None), ended)

    def _can_leave(self, jobs: Mapping[int, Any]) -> bool:
        """Tell how to watch jobs that outlive the command; False where they don't."""
        return False

    def _tell(self, jobs: Mapping[int, Any], folder: Path) -> None:
        log.info(f"{counted_in_words(len(jobs), 'job')}; what they print: {shown(folder / SUBMITTED)}")

    @abstractmethod
    def _largest_array(self) -> int:
        """Return how many jobs can be submitted at once."""

    @abstractmethod
    def _without_result(self, jobs: Mapping[int, Any]) -> dict[int, str]:
        """Return those that have ended, and the state that they ended in."""

    @abstractmethod
    def _cancel(self, jobs: Mapping[int, Any]) -> None:
        """Let these jobs end."""


class SlurmLauncher(ClusterLauncher):
    """Launches jobs on Slurm, as an array."""

    _EXECUTOR = SLURM

    def __call__(self, *arguments: Any) -> JobReturn:
        """Run a job, on its node."""
        with job_side.on_slurm():
            return slim(super().__call__(*arguments))

    def _largest_array(self) -> int:
        return slurm.largest_job_array()

    def _executor(self) -> Any:
        if cpus := self.params.get("cpus_per_task"):
            os.environ["SRUN_CPUS_PER_TASK"] = str(cpus)  # some versions' srun takes no notice of sbatch's
        return super()._executor()

    def _can_leave(self, jobs: Mapping[int, Any]) -> bool:
        log.warning("leaves the jobs to Slurm; to watch them, or to cancel them:")
        log.warning(f"    squeue --jobs={','.join(arrays(jobs))}")
        log.warning(f"    scancel {' '.join(arrays(jobs))}")
        log.warning("when they have ended, sweep.resume=... writes the report, and sends MLflow what it lacks")
        return True

    def _tell(self, jobs: Mapping[int, Any], folder: Path) -> None:
        super()._tell(jobs, folder)
        log.info(f"    squeue --jobs={','.join(arrays(jobs))}")

    def _without_result(self, jobs: Mapping[int, Any]) -> dict[int, str]:
        try:
            seen = slurm.seen(job.job_id for job in jobs.values())
        except slurm.QueueError as error:
            log.warning(f"Slurm can't be asked, and will be again: {error}")
            return {}
        states = {number: seen[job.job_id].state if job.job_id in seen else OVER for number, job in jobs.items()}
        return {number: state for number, state in states.items() if state in (*slurm.ENDED, OVER)}

    def _cancel(self, jobs: Mapping[int, Any]) -> None:
        try:
            slurm.cancel(job.job_id for job in jobs.values())
        except slurm.QueueError as error:
            log.error(f"the jobs can't be cancelled: {error}; to try again: scancel {' '.join(arrays(jobs))}")


class LocalLauncher(ClusterLauncher):
    """Launches all jobs at once as processes of this machine, as if it were a cluster: for trying it, and for CI."""

    _EXECUTOR = "local"

    def __call__(self, *arguments: Any) -> JobReturn:
        """Run a job, in its process."""
        with job_side.on_this_machine():
            return slim(super().__call__(*arguments))

    def _largest_array(self) -> int:
        return 1 << 30

    def _without_result(self, jobs: Mapping[int, Any]) -> dict[int, str]:
        return {number: OVER for number, job in jobs.items() if job.done()}

    def _cancel(self, jobs: Mapping[int, Any]) -> None:
        for job in jobs.values():  # whose name is that of the process that hands the signal on; SIGINT would scare it
            with suppress(ProcessLookupError):
                os.kill(int(job.job_id), signal.SIGTERM)


def number_of(overrides: Sequence[str], place: int) -> int:
    """Return a job's number: that of its folder, where it goes on in one of its own."""
    for each in overrides:
        if found := re.match(r"hydra\.sweep\.subdir='?(\d+)-", each):
            return int(found[1])
    return place


def arrays(jobs: Mapping[int, Any]) -> list[str]:
    """Return the names of the arrays that the jobs are of."""
    return sorted({job.job_id.partition("_")[0] for job in jobs.values()})
