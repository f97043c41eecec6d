"""Which trial is next, where commands were killed in the midst of asking, or others ask at the same time."""

import dataclasses
import os

import pytest

pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

import optuna
from hydra import initialize_config_dir
from optuna.trial import TrialState

from mnist_trainer.composition import conf_folder
from mnist_trainer.errors import ConfigError
from mnist_trainer.sweeps.tuning.asking import ask
from mnist_trainer.sweeps.tuning.settings import Choice, Settings
from mnist_trainer.sweeps.tuning.space import Space
from mnist_trainer.sweeps.tuning.study import TunedStudy

SPACE = ("optimizer.lr=tag(log,interval(1e-3,1))", "model.dropout=interval(0,0.5)", "optimizer=sgd,adam")
MARK = {"folder": "mine", "job": 0}


class Killed(BaseException):
    """What a signal that can't be caught does to the lines after it."""


@pytest.fixture
def opened(tmp_path):
    """Open a study of 5 trials as a command does."""

    def open_study(name, space=SPACE, **given):
        settings = Settings(
            study_name="same for all",
            storage=str(tmp_path / f"{name}.log"),
            directions=("minimize",),
            objectives=("validation/loss",),
            sampler=Choice("tpe", {"seed": 0, "n_startup_trials": 2}),
            pruner=Choice("none"),
            trial=None,
            n_trials=5,
            n_jobs=1,
        )
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            read = Space.of(space)
            return TunedStudy.opened(dataclasses.replace(settings, **given), read, tmp_path, 3, space)

    return open_study


def answer(tuned, asked):
    params = asked.params
    tuned.complete(asked.number, [abs(params["optimizer.lr"] - 0.1) + params["model.dropout"]])


def run(tuned, known):
    """Ask for all trials that are left, and return all there are."""
    while asked := ask(tuned, MARK, known):
        known.append(asked.number)
        answer(tuned, asked)
    return [(trial.number, trial.state.name, trial.params, trial.values) for trial in tuned.trials]


@pytest.mark.parametrize("written", range(4))
@pytest.mark.parametrize("trial", [0, 3])
@pytest.mark.parametrize("sampler", [{}, {"multivariate": True}])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_command_killed_while_it_asks_leaves_a_trial_that_goes_on_as_it_would_have(
    opened, monkeypatch, sampler, trial, written
):
    choice = {"sampler": Choice("tpe", {"seed": 0, "n_startup_trials": 2, **sampler})}
    tuned, suggest, calls = opened("killed", **choice), optuna.Trial._suggest, []

    def killed(self, name, distribution):
        calls.append(name)
        if len(calls) > 3 * trial + written:
            raise Killed
        return suggest(self, name, distribution)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Trial, "_suggest", killed)
        known = []
        with pytest.raises(Killed):
            run(tuned, known)
    left = tuned.trials[-1]
    assert (left.number, left.state, len(left.params)) == (trial + written // 3, TrialState.RUNNING, written % 3)
    assert run(opened("killed", **choice), known) == run(opened("whole", **choice), [])


def test_a_trial_of_another_commands_is_left_to_it(opened):
    tuned = opened("shared")
    other = ask(tuned, {"folder": "another's", "job": 0}, [])
    mine = ask(tuned, MARK, [])
    assert (other.number, mine.number) == (0, 1)
    assert tuned.trials[0].user_attrs["folder"] == "another's"
    numbers = [asked.number for asked in iter(lambda: ask(tuned, MARK, range(9)), None)]
    assert numbers == [2, 3, 4]


def test_a_trial_begun_beside_the_last_one_is_taken_back_and_no_failure(opened, monkeypatch):
    from mnist_trainer.sweeps.tuning import asking

    tuned, begin = opened("shared", n_trials=1), asking.begin

    def late(study, mark):
        begin(study, {"folder": "another's", "job": 0})  # between this command's look and its own trial
        return begin(study, mark)

    monkeypatch.setattr(asking, "begin", late)
    assert ask(tuned, MARK, []) is None
    assert [(trial.state, trial.user_attrs.get("reason")) for trial in tuned.trials] == [
        (TrialState.RUNNING, None),
        (TrialState.FAIL, None),
    ]


def test_a_command_killed_while_it_repeats_a_trial_repeats_it_once(opened, monkeypatch):
    tuned = opened("killed", space=("optimizer=choice(sgd)", "model.dropout=choice(0)"))
    first = ask(tuned, MARK, [])
    tuned.study._storage.set_trial_intermediate_value(tuned.trials[0]._trial_id, 1, 0.5)
    tuned.complete(first.number, [0.25])

    def killed(self, number, values):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TunedStudy, "complete", killed)
        with pytest.raises(Killed):
            ask(tuned, MARK, [0])
    again = ask(tuned, MARK, [0])
    assert (again.number, again.done) == (1, True)
    trial = tuned.trials[1]
    assert (trial.values, trial.intermediate_values, trial.user_attrs["same_as"]) == ([0.25], {1: 0.5}, 0)


def test_a_study_whose_last_line_a_full_disk_cut_goes_on(opened, tmp_path):
    tuned = opened("cut")
    answer(tuned, ask(tuned, MARK, []))
    with (tmp_path / "cut.log").open("a") as file:
        file.write('{"op_code": 4, "worker')
    trials = run(opened("cut"), [0])
    assert [state for _, state, *_ in trials] == ["COMPLETE"] * 5
    assert run(opened("cut"), []) == trials


@pytest.mark.parametrize(
    "content", ["one line\nand half a", "one line\n", "[]\n", '{"op_code": 99, "worker_id": ""}\n']
)
def test_a_file_that_is_no_study_is_refused_and_left_as_it_is(opened, tmp_path, content):
    (tmp_path / "notes.log").write_text(content)
    with pytest.raises(ConfigError, match="no file for a study"):
        opened("notes")
    assert (tmp_path / "notes.log").read_text() == content


def test_a_pipe_in_a_study_s_place_is_not_waited_for(opened, tmp_path):
    os.mkfifo(tmp_path / "pipe.log")
    with pytest.raises(ConfigError, match="not a file"):
        opened("pipe")
