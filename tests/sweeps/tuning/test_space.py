"""Hydra's override syntax as what Optuna samples from."""

import pytest

pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

from hydra import initialize_config_dir
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnist_trainer.composition import compose, conf_folder
from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.tuning.space import Space


@pytest.fixture(autouse=True)
def hydra():
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("optimizer.lr=interval(0.1,1)", FloatDistribution(0.1, 1.0)),
        ("optimizer.lr=tag(log,interval(1e-3,1))", FloatDistribution(1e-3, 1.0, log=True)),
        ("batch_size=int(interval(16,64))", IntDistribution(16, 64)),
        ("batch_size=tag(log,int(interval(16,64)))", IntDistribution(16, 64, log=True)),
        ("batch_size=range(16,64)", IntDistribution(16, 63)),  # as Hydra's basic sweeper: the stop is none of them
        ("batch_size=range(16,64,16)", IntDistribution(16, 48, step=16)),
        ("optimizer.momentum=range(0.5,0.95,0.1)", FloatDistribution(0.5, 0.9, step=0.1)),
        ("optimizer=sgd,adam", CategoricalDistribution(["sgd", "adam"])),
        ("optimizer=choice(sgd,adam)", CategoricalDistribution(["sgd", "adam"])),
        ("model.hidden=choice([64],[256,128])", CategoricalDistribution(["[64]", "[256,128]"])),
        ("model.hidden=[64],[256,128]", CategoricalDistribution(["[64]", "[256,128]"])),
    ],
)
def test_a_sweep_of_hydras_becomes_a_distribution(override, wanted):
    space = Space.of([override, "epochs=2"])
    assert list(space.distributions.values()) == [wanted]
    assert space.fixed == {"epochs": "2"}


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("optimizer.lr=tag(log,interval(0,1))", "optimizer.lr=tag"),
        ("optimizer.lr=tag(quickly,interval(0.1,1))", "the tag quickly is unknown"),
        ("optimizer=tag(log,choice(sgd,adam))", "choices have no logarithm"),
        ("batch_size=range(16,16)", "no number"),
        ("epochs=3", "nothing to choose"),
    ],
)
def test_what_optuna_cant_sample_is_told_with_its_override(override, told):
    with pytest.raises(ConfigError, match=told):
        Space.of([override])


def test_a_trials_overrides_compose_to_what_was_chosen():
    space = Space.of(
        [
            "optimizer.lr=tag(log,interval(1e-3,1))",
            "epochs=2",
            "model.hidden=choice([64],[256,128])",
            "optimizer=sgd,adam",
        ]
    )
    own = space.overrides({"optimizer.lr": 0.1 + 0.2, "model.hidden": "[256,128]", "optimizer": "adam"})
    assert own[1] == "epochs=2"  # in the command line's order
    config = compose(own)
    assert (config.optimizer.lr, config.optimizer.name) == (0.1 + 0.2, "adam")
    assert (config.model.hidden, config.epochs) == ([256, 128], 2)
