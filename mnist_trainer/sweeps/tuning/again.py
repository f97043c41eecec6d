"""The command line that trains a job's configuration again, with other seeds."""

import functools
import json
import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path

import yaml

from mnist_trainer.composition import compose, override_key
from mnist_trainer.config import Config
from mnist_trainer.errors import MnistTrainerError
from mnist_trainer.files import CONFIG, MOST_YAML, read_text
from mnist_trainer.runs.changes import NOT_COMPARED
from mnist_trainer.runs.folder import read_run_config
from mnist_trainer.runs.provenance import run_params
from mnist_trainer.sweeps.jobs import Job

SEEDS = 5
HYDRA = Path(".hydra", "hydra.yaml")


def command_again(job: Job) -> str | None:
    """Return the command, of which each seed is a job; None if the job's own files don't tell what it was."""
    own = [each for each in job.overrides if override_key(each) != "seed"]
    if any(override_key(each) == "experiment" for each in own):  # which may name the sweeper itself
        try:
            own = trial_spelled_out(job.folder)
        except (MnistTrainerError, OSError, ValueError, yaml.YAMLError):
            return None
    seeds = [str(seed) for seed in range(SEEDS + 1) if str(seed) != (job.value_of("seed") or "0")][:SEEDS]
    return shlex.join(["python", "-m", "mnist_trainer", "--multirun", *own, f"seed={','.join(seeds)}"])


def trial_spelled_out(folder: Path) -> list[str]:
    """Return overrides that lead to a run's configuration without an experiment's file."""
    config, default = read_run_config(folder / CONFIG), compose()
    hydra = yaml.safe_load(read_text(folder / HYDRA, MOST_YAML))
    choices = hydra["hydra"]["runtime"]["choices"]
    groups = [each.name for each in fields(Config) if is_dataclass(getattr(config, each.name))]
    chosen = [
        f"{group}={choices[group]}" for group in groups if kind(getattr(config, group)) != kind(getattr(default, group))
    ]
    now, then = run_params(config), run_params(compose(chosen))
    named = {"name", "seed", *NOT_COMPARED}
    return [
        *chosen,
        *(f"{key}={trial_value_written(config, key)}" for key in now if key not in named and now[key] != then.get(key)),
    ]


def kind(choice: object) -> tuple[type, object]:
    """Tell a group's choice from others, whatever its values."""
    return type(choice), getattr(choice, "name", None)


def trial_value_written(config: Config, key: str) -> str:
    """Write a key's value as Hydra reads it."""
    value = functools.reduce(getattr, key.split("."), config)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
