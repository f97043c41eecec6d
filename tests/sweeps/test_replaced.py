"""What is replaced of Hydra: it still makes a sweep of what asks for one, and composes a plain run once."""

import pytest
from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.hydra import Hydra

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
