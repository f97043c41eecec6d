"""What is replaced of Hydra: it still makes a sweep of what asks for one, and composes a plain run once."""

import copy

import pytest
from hydra import initialize_config_dir
from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.hydra import Hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from mnist_trainer.composition import conf_folder
from mnist_trainer.sweeps import replaced

pytestmark = pytest.mark.usefixtures("no_picture")

TINY = ("data=digits", "tracking=off", "model.hidden=[4]", "epochs=1")
SWEEP = "{mode: MULTIRUN, sweeper: {params: {seed: '0,1'}}}"
EXPERIMENT = f"# @package _global_\nhydra: {SWEEP}\n"
MAIN = f"defaults: [config, _self_]\nhydra: {SWEEP}\n"


@pytest.mark.parametrize(
    ("name", "content", "arguments"),
    [
        ("conf/experiment/swept.yaml", EXPERIMENT, ["experiment=swept"]),
        pytest.param("conf/swept.yaml", MAIN, ["-cn", "swept"], marks=pytest.mark.long),
        pytest.param(
            "more/experiment/swept.yaml", EXPERIMENT, ["-cd", "{}/more", "experiment=swept"], marks=pytest.mark.long
        ),
        pytest.param(
            "more/experiment/swept.yaml",
            EXPERIMENT,
            ["hydra.searchpath=[{}/more]", "experiment=swept"],
            marks=pytest.mark.long,
        ),
        ("conf/experiment/swept.yaml", "", ["hydra.mode=MULTIRUN", "seed=0,1"]),
        pytest.param(
            "conf/experiment/swept.yaml", "", ["hydra={{mode: MULTIRUN}}", "seed=0,1"], marks=pytest.mark.long
        ),
    ],
)
def test_a_sweep_can_be_asked_for_wherever_hydra_looks(command, conf, tmp_path, name, content, arguments):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    done = command(*(argument.format(tmp_path) for argument in arguments), *TINY)
    assert done.code == 0, done.output
    assert [path.name[:2] for path in sorted(done.run.glob("[0-9]-*"))] == ["0-", "1-"]


@pytest.mark.long
def test_a_run_that_asks_for_no_sweep_is_composed_once(command, monkeypatch):
    compositions, compose = [], Hydra.compose_config

    def counted(self, *given, **named):
        compositions.append(named)
        return compose(self, *given, **named)

    monkeypatch.setattr(Hydra, "compose_config", counted)
    assert command(*TINY).code == 0
    assert len(compositions) == 1
    compositions.clear()
    assert command("--multirun", *TINY, "seed=0,1").code == 0
    assert len(compositions) == 1


def test_hydras_store_is_read_where_it_is_and_gives_copies(monkeypatch):
    monkeypatch.setattr(ConfigStore, "__deepcopy__", None, raising=False)
    store = ConfigStore.instance()
    replaced.share_the_store()
    assert copy.deepcopy(store) is store
    one, other = (store.load("hydra/config.yaml").node for _ in range(2))
    assert one == other
    assert one is not other


@pytest.mark.parametrize(
    ("size", "batches"), [(None, [["a=1", "a=2", "a=3"]]), (2, [["a=1", "a=2"], ["a=3"]]), (5, [["a=1", "a=2", "a=3"]])]
)
def test_jobs_are_handed_over_once_in_batches_whatever_hydra_gives(monkeypatch, size, batches):
    own = staticmethod(basic_sweeper.BasicSweeper.split_arguments)
    monkeypatch.setattr(basic_sweeper.BasicSweeper, "split_arguments", own)
    replaced.hand_over([["a=1"], ["a=2"], ["a=3"]], size)
    found = basic_sweeper.BasicSweeper.split_arguments("what", ever="Hydra gives")
    assert found == [[[job] for job in batch] for batch in batches]
    assert basic_sweeper.BasicSweeper.split_arguments([], None) == [[[]]]


def test_no_job_at_all_is_no_batch(monkeypatch):
    own = staticmethod(basic_sweeper.BasicSweeper.split_arguments)
    monkeypatch.setattr(basic_sweeper.BasicSweeper, "split_arguments", own)
    replaced.hand_over([], None)
    assert basic_sweeper.BasicSweeper.split_arguments([], None) == []


@pytest.fixture
def loader(monkeypatch):
    """Hydra's loader, with each composition that it makes itself in `loader.composed`."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        loader.composed, compose = [], loader.load_sweep_config

        def counted(master_config, sweep_overrides):
            loader.composed.append(sweep_overrides)
            return compose(master_config, sweep_overrides)

        monkeypatch.setattr(loader, "load_sweep_config", counted)
        yield loader


def nodes_of(config):
    """All nodes of a configuration by their keys: type, what they are allowed, and value."""
    yield config._key(), type(config), config._metadata.flags, config._metadata.ref_type, config._metadata.object_type
    if isinstance(config, DictConfig) and not (config._is_none() or config._is_missing() or config._is_interpolation()):
        for key in config:
            yield from nodes_of(config._get_node(key))
    elif not OmegaConf.is_config(config):
        yield config._value()


def test_a_job_is_launched_as_it_was_composed_to_check_it(loader):
    sweep = loader.load_configuration("config", ["seed=0,1", "hydra.verbose=true"], RunMode.MULTIRUN)
    fresh = loader.load_sweep_config(sweep, ["seed=1", "model=lenet5"])
    loader.composed.clear()
    replaced.compose_once()
    checked = loader.load_sweep_config(sweep, ["seed=1", "model=lenet5"])
    with open_dict(checked):
        checked.seed = 7
        del checked["hydra"]
    launched = loader.load_sweep_config(sweep, ["seed=1", "model=lenet5"])
    assert loader.composed == [["seed=1", "model=lenet5"]]
    assert list(nodes_of(launched)) == list(nodes_of(fresh))
    assert OmegaConf.to_yaml(launched) == OmegaConf.to_yaml(fresh)


def test_a_job_of_other_words_for_hydra_is_composed_anew(loader):
    sweep = loader.load_configuration("config", ["seed=0,1", "hydra.job.num=2"], RunMode.MULTIRUN)
    other = loader.load_configuration("config", ["seed=0,1", "hydra.job.num=3"], RunMode.MULTIRUN)
    replaced.compose_once()
    loader.load_sweep_config(sweep, ["seed=1"])
    assert loader.load_sweep_config(other, ["seed=1"]).hydra.job.num == 3
    assert loader.load_sweep_config(sweep, ["seed=1"]).hydra.job.num == 2
    assert len(loader.composed) == 2


def test_what_was_looked_up_for_the_sweep_is_the_same_in_its_jobs(loader):
    sweep = loader.load_configuration("config", ["seed=0,1"], RunMode.MULTIRUN)
    replaced.compose_once()
    loader.load_sweep_config(sweep, ["seed=1"])
    began = OmegaConf.get_cache(sweep)["now"] = {"%H": "25"}
    assert OmegaConf.get_cache(loader.load_sweep_config(sweep, ["seed=1"]))["now"] == began


def test_no_more_jobs_are_kept_than_fit(loader, monkeypatch):
    sweep = loader.load_configuration("config", ["seed=0,1,2"], RunMode.MULTIRUN)
    monkeypatch.setattr(replaced, "MOST_KEPT", 1)
    replaced.compose_once()
    for _ in range(2):
        for seed in range(3):
            assert loader.load_sweep_config(sweep, [f"seed={seed}"]).seed == seed
    assert [job for (job,) in loader.composed] == ["seed=0", "seed=1", "seed=2", "seed=1", "seed=2"]
