"""A sweep's jobs, composed before any of them begins: one that can't be is named, and nothing begins."""

from collections.abc import Iterator, Sequence

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, open_dict

from mnist_trainer.complaints.composing import UNEXPECTED, explain
from mnist_trainer.complaints.origin import Origin, overrides_as_typed
from mnist_trainer.composition import conf_folder, override_key, typed
from mnist_trainer.config import Config
from mnist_trainer.credentials import hide
from mnist_trainer.errors import ConfigError

SHOWN = 3
"""How many jobs are named of those that have a problem in common."""


def check_jobs(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
    """Raise `ConfigError` for what is wrong in jobs, by all that is known before they run; `config` is the sweep's.

    What is wrong in all of them is told once.
    """
    found: dict[str, list[int]] = {}
    for number, job in enumerate(jobs):
        for problem in problems_of(config, job):
            found.setdefault(problem, []).append(number)
    if found:
        raise ConfigError(*(_told(problem, numbers, jobs) for problem, numbers in found.items()))


def problems_of(config: DictConfig, job: Sequence[str]) -> Sequence[str]:
    """Compose a job as it will be; returns what is wrong with it. One that goes on has its checkpoint's values."""
    try:
        composed = GlobalHydra.instance().config_loader().load_sweep_config(config, list(job))
        origin = Origin.of(composed.hydra)
        with open_dict(composed):
            del composed["hydra"]
        if not any(override_key(override) == "resume" for override in job):
            return list(map(origin.with_line, apart_from_sweep(config, typed(composed, origin))))
    except ConfigError as error:
        return error.problems
    except UNEXPECTED as error:
        return [explain(error, [*overrides_as_typed(config.hydra, "hydra"), *job], conf_folder())]
    return []


def apart_from_sweep(sweep: DictConfig, job: Config) -> Iterator[str]:
    """Say what a job of a sweep of trainings has that is the sweep's alone: its result would be looked for in vain."""
    if sweep.task.name != "train":
        return
    if job.task.name != "train":
        yield f"task={job.task.name}: all jobs of a sweep have one task: give that alone, or leave it out for training"
    if job.outputs != sweep.outputs:
        yield f"outputs={job.outputs}: all jobs of a sweep lie in its own folder, in {sweep.outputs}: give one value"
    if job.tracking.name != sweep.tracking.name:
        yield f"tracking={job.tracking.name}: all jobs of a sweep are sent, or none: give one value"
    if job.tracking.uri != (sweep.tracking.uri and hide(sweep.tracking.uri)):
        yield f"tracking.uri={job.tracking.uri}: all jobs of a sweep are sent to one store: give one value"


def _told(problem: str, numbers: Sequence[int], jobs: Sequence[Sequence[str]]) -> str:
    if len(numbers) == len(jobs):
        return problem
    common = set.intersection(*(set(job) for job in jobs))
    named = [f"job {number} ({' '.join(each for each in jobs[number] if each not in common)})" for number in numbers]
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"{', '.join(named[:SHOWN])}{more}: {problem}"
