"""What a command line that resumes a run asks for, beside what the run was told at its beginning."""

import copy
import functools
from collections.abc import Sequence

from mnist_trainer.composition import compose, override_key
from mnist_trainer.config import Config
from mnist_trainer.errors import ConfigError
from mnist_trainer.runs.provenance import run_params

MEANS = {
    *("outputs", "trainer.threads", "trainer.progress", "trainer.checkpoint_minutes"),
    *("tracking.name", "tracking.uri", "tracking.wait_seconds", "tracking.required"),
    *("tracking.model", "tracking.register", "tracking.alias"),
    *("data.root", "data.cache", "data.download"),  # where the data are: a checkpoint knows what they are
}
"""What says how a run is done, rather than which run it is."""
MAY_CHANGE = {"epochs", *MEANS}
NOT_COMPARED = {"task.label", "journal", "resume"}


def changed(config: Config, own: Sequence[str], given: Sequence[str]) -> tuple[Config, list[str], dict[str, object]]:
    """Change a run's configuration, which the overrides `own` led to, as the overrides `given` ask for.

    Returns the new one, all overrides, and the values that are others than before, by key. Raises one `ConfigError`
    with all keys whose value differs from the run's, but may not.
    """
    given = [override for override in given if override_key(override) != "resume"]
    kept = [override for override in own if not belongs_to_another_choice(override, config, own, given)]
    together = list({override_key(override): override for override in [*kept, *given]}.values())
    wanted = compose(together)
    before, asked = run_params(compose(own)), run_params(wanted)
    now, explicit = run_params(config), {override_key(override) for override in given}
    changes = {
        key: value
        for key, value in asked.items()
        if (key in explicit or value != before.get(key)) and key not in NOT_COMPARED and value != now.get(key)
    }
    if "name" not in explicit:
        changes.pop("name", None)  # it follows from the others
    problems = [
        f"{key}={value}: the run has {key}={now[key]}, and goes on with that; leave {key} out, or start a new run"
        for key, value in changes.items()
        if key not in MAY_CHANGE and key in now
    ]
    unknown = [key for key in changes if key not in now]
    if unknown and not problems:
        problems = [f"{key}: the run has no such key; start a new run" for key in unknown]
    if problems:
        raise ConfigError(*problems)
    config = copy.deepcopy(config)
    for key in changes:
        *path, last = key.split(".")
        setattr(functools.reduce(getattr, path, config), last, functools.reduce(getattr, key.split("."), wanted))
    return config, together, changes


def belongs_to_another_choice(override: str, config: Config, own: Sequence[str], given: Sequence[str]) -> bool:
    """Tell of `model.hidden=[8]` whether `model=cnn` is given for a run that has another model."""
    group, dot, _ = override_key(override).partition(".")
    chosen, asked = ([each.partition("=")[2] for each in some if override_key(each) == group] for some in (own, given))
    if not (dot and asked):
        return False
    if chosen:  # `loss=custom`, say, whose name is another
        return asked[-1] != chosen[-1]
    return asked[-1].rpartition("/")[2] != getattr(getattr(config, group), "name", None)
