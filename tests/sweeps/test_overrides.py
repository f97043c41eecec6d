import pytest
from hydra import initialize_config_dir
from hydra._internal.core_plugins import basic_sweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mnist_trainer.composition import conf_folder
from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.overrides import choices_of, combinations, extended_choices


@pytest.fixture(autouse=True)
def _hydra():
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["seed=0"],
        ["loss=fused,separate", "seed=0,1,2", "epochs=3"],
        ["model.hidden=[8],[16,8]", "name='a b','c,d'"],
        ["seed=range(3)", "optimizer.lr=choice(0.1,1e-2)", "trainer.restore_best=true"],
        ["+model.layers.1.bias=false,true", "tracking=off"],
        ["optimizer=adam", "seed=5,6", "seed=7"],
    ],
)
def test_jobs_are_those_of_hydra_s_own_sweeper(overrides):
    parsed = OverridesParser.create().parse_overrides(overrides)
    assert [combinations(choices_of(overrides))] == basic_sweeper.BasicSweeper.split_arguments(parsed, None)


def test_a_glob_stands_for_the_files_of_its_group():
    assert set(choices_of(["loss=glob(*)"])["loss"]) == {"fused", "separate", "homework", "custom"}


def test_what_cannot_be_listed_is_hydra_s_error():
    with pytest.raises(HydraException):
        choices_of(["optimizer.lr=interval(0,1)"])


OWN = {"data": ["digits"], "loss": ["fused", "separate"], "seed": ["0", "1"], "trainer.threads": ["1"]}


@pytest.mark.parametrize(
    ("given", "changes", "means"),
    [
        ({}, {}, []),
        ({"data": ["digits"], "seed": ["1"]}, {}, []),
        ({"seed": ["1", "2"]}, {"seed": ["0", "1", "2"]}, []),
        ({"seed": ["9"]}, {"seed": ["0", "1", "9"]}, []),
        ({"data": ["digits", "mnist"]}, {"data": ["digits", "mnist"]}, []),
        ({"trainer.threads": ["2"]}, {}, ["trainer.threads=2"]),
        ({"tracking": ["off"], "data.root": ["here"]}, {}, ["tracking=off", "data.root=here"]),
    ],
)
def test_a_command_adds_values_and_changes_means(given, changes, means):
    assert extended_choices(OWN, given) == (OWN | changes, means)


def test_all_that_contradicts_is_told_at_once():
    with pytest.raises(ConfigError) as error:
        extended_choices(OWN, {"data": ["mnist"], "epochs": ["3"], "seed": ["0"]})
    assert len(error.value.problems) == 2
    assert "data=digits,mnist adds jobs" in error.value.problems[0]
    assert "the sweep was begun without; leave epochs out" in error.value.problems[1]
