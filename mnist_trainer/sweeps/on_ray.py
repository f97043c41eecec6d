"""Jobs on a cluster of Ray's: Hydra's launcher of the extra `ray`, which stops its jobs gently and loses one at a time.

Ray starts a job again whose process or host died, three times as it is, and the job goes on in its own folder.
"""

import logging
import os
import signal
import socket
from collections.abc import Sequence
from types import FrameType
from typing import Any, ClassVar

from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from mnist_trainer.errors import TrackingError
from mnist_trainer.training.interruption import Interrupted, handle_signals, raise_from

log = logging.getLogger(__name__)

RAY = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"
STORE, LEAST_STORE = "object_store_memory", 78_643_200
"""Bytes, of which jobs need none; a cluster that is joined has its own."""
ANSWER_SECONDS = 10.0
PATIENCE_SECONDS = 2.0
"""How long interrupted jobs may take for a checkpoint, as with other launchers."""


def join(config: DictConfig) -> None:
    """Join the cluster that Ray's launcher is to use, or start one here; does nothing with other launchers.

    Raises `TrackingError` that says why it can't be joined. Signals are ours again: Ray takes them.
    """
    if config.hydra.launcher._target_ != RAY:
        return
    import ray

    address = OmegaConf.select(config.hydra.launcher, "ray.init.address") or os.environ.get("RAY_ADDRESS")
    if address is not None:
        check_ray_address(str(address))
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.launcher.ray.init.setdefault(STORE, LEAST_STORE if address is None else None)
    settings = OmegaConf.to_container(config.hydra.launcher.ray.init, resolve=True)
    assert isinstance(settings, dict)
    try:
        ray.init(**{str(key): value for key, value in settings.items()})
    except Exception as error:  # whatever Ray raises: a plain Exception where its node takes too long to start
        where = (
            "hydra/launcher=ray: on this machine" if address is None else f"hydra.launcher.ray.init.address={address}"
        )
        raise TrackingError(f"{where}: {ray_error_line(error)}") from None
    handle_signals(interrupt_ray_sweep)
    Plugins.instance().class_name_to_class[RAY] = RayLauncher


def interrupt_ray_sweep(number: int, frame: FrameType | None) -> None:
    """Let a signal end what waits for jobs."""
    RayLauncher.signal = number
    raise_from(frame, number)


def check_ray_address(address: str) -> None:
    """Raise `TrackingError` if nobody listens at `HOST:PORT`: Ray would ask for a quarter of an hour."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():  # auto, or one of Ray's other words
        return
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise TrackingError(
            f"hydra.launcher.ray.init.address={address}: no answer ({error.strerror or error})"
        ) from None


class RayLauncher(Launcher):
    """Waits for all jobs, whatever becomes of some of them; interrupted, it lets them write a checkpoint."""

    signal: ClassVar[int] = signal.SIGINT
    """The last that came: Ray makes a Ctrl-C of each."""

    def __init__(self, ray: DictConfig) -> None:
        self.settings = ray
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.task_function: TaskFunction | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs, side by side as far as the cluster has room."""
        import ray

        jobs = [self._started(number, own) for number, own in enumerate(job_overrides, initial_job_idx)]
        try:
            return [ended(job) for job in jobs]
        except KeyboardInterrupt:
            for job in jobs:
                ray.cancel(job)  # a Ctrl-C, on whatever host
            ray.wait(jobs, num_returns=len(jobs), timeout=PATIENCE_SECONDS)
            raise Interrupted(self.signal) from None

    def _started(self, number: int, overrides: Sequence[str]) -> Any:
        """Hand a job to Ray."""
        from hydra_plugins.hydra_ray_launcher._launcher_util import launch_job_on_ray

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = f"job_id_for_{number}", number
        state = Singleton.get_state()
        return launch_job_on_ray(self.hydra_context, self.settings.remote, config, self.task_function, state)


def ended(job: Any) -> JobReturn:
    """Wait for a job; one that Ray gave up has nothing to return, and the sweep's report tells that."""
    import ray

    try:
        found: JobReturn = ray.get(job)
    except ray.exceptions.RayError as error:
        log.error(f"Ray gave up a job: {ray_error_line(error)}")
        return JobReturn(status=JobStatus.COMPLETED)
    return found


def ray_error_line(error: Exception) -> str:
    """Say what an error says, without the traceback and the advice behind it."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
