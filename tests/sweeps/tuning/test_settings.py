"""The keys of hydra.sweeper: their defaults, and what is refused."""

import pytest
from omegaconf import OmegaConf

from mnist_trainer.config import OptunaConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.tuning.settings import Choice, Settings


@pytest.fixture
def settings():
    """Read the settings that these keys come to."""

    def read(launcher=None, **keys):
        node = OmegaConf.structured(OptunaConfig(sampler={"name": "tpe", "seed": None}, pruner={"name": "auto"}))
        hydra = {"sweeper": OmegaConf.merge(node, keys), "launcher": launcher or {}}
        return Settings.read(OmegaConf.create(hydra))

    return read


def test_by_default_the_validation_loss_is_minimized_and_trials_are_pruned_by_the_median(settings):
    found = settings()
    assert (found.objectives, found.directions, found.pruner.name) == (("validation/loss",), ("minimize",), "median")
    assert (found.n_trials, found.n_jobs, found.sampler.name) == (20, 1, "tpe")


def test_an_accuracy_is_maximized(settings):
    assert settings(objective="validation/accuracy").directions == ("maximize",)
    assert settings(objective=["validation/accuracy"], direction="maximize").directions == ("maximize",)


@pytest.mark.parametrize("objectives", [["validation/loss", "parameters"], ["parameters"]])
def test_what_cant_be_pruned_by_isnt_and_a_pruner_that_is_named_is_refused(settings, objectives):
    assert settings(objective=objectives).pruner.name == "none"
    assert settings(objective=objectives, pruner="none").pruner.name == "none"
    with pytest.raises(ConfigError, match=r"pruner=hyperband: .*leave the pruner out"):
        settings(objective=objectives, pruner="hyperband")


def test_jobs_at_once_are_as_many_as_the_launcher_runs(settings):
    assert settings(launcher={"n_jobs": 4}).n_jobs == 4
    assert settings(launcher={"n_jobs": 4}, n_jobs=2).n_jobs == 2


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"objective": ["test/accuracy"]}, "what is chosen by the test images has no test left"),
        ({"objective": ["loss"]}, "objective=loss is unknown"),
        ({"objective": []}, "give a name, or a list of names"),
        ({"objective": ["parameters", "parameters"]}, "name each once"),
        ({"direction": "maximize"}, "direction=maximize: validation/loss: minimize"),
        ({"n_trials": 0}, r"hydra.sweeper.n_trials=0 is out of range"),
        ({"n_jobs": 0}, r"hydra.sweeper.n_jobs=0 is out of range"),
        ({"pruner": 3}, "pruner=3: give a name"),
        ({"sampler": {"seed": 3, "name": None}}, "the name is missing"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(settings, keys, told):
    with pytest.raises(ConfigError, match=told):
        settings(**keys)


def test_a_choice_is_a_name_or_a_mapping_also_as_hydras_own_plugin_writes_it():
    assert Choice.of("pruner", None).name == "none"
    assert Choice.of("pruner", {"name": "hyperband", "reduction_factor": 4}) == Choice(
        "hyperband", {"reduction_factor": 4}
    )
    assert Choice.of("sampler", {"_target_": "optuna.samplers.TPESampler", "seed": 1}) == Choice(
        "TPESampler", {"seed": 1}
    )
