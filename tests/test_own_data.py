"""Data from Python, and data sets, schedules and callbacks of plugins."""

import shutil

import numpy as np
import pytest

from mnist_trainer import api
from mnist_trainer.api import Dataset
from mnist_trainer.errors import ConfigError, DataError

SMALL = ("tracking=off", "model.hidden=[8]", "epochs=2")
PLUGIN = """
from dataclasses import dataclass

import numpy as np

from mnist_trainer.api import (
    Callback, Dataset, Schedule, hyperparameter, register_callback, register_data, register_schedule
)


@register_data("stripes")
@dataclass
class Stripes:
    count: int = hyperparameter(80, minimum=20)

    def load(self):
        y = np.arange(self.count) % 4
        x = np.zeros((self.count, 8, 8), np.uint8)
        x[np.arange(self.count), y] = 255
        return Dataset.from_arrays(x, y, x[:20], y[:20])


@register_data("nothing")
@dataclass
class Nothing:
    def load(self):
        return None


@register_schedule("flip")
@dataclass(eq=False)
class Flip(Schedule):
    every: int = hyperparameter(2, minimum=1)

    def factor(self, step):
        return 1.0 if step // self.every % 2 else 0.5


@register_callback("diary")
@dataclass
class Diary(Callback):
    path: str
    every: int = hyperparameter(1, minimum=1)

    def on_epoch(self, record):
        if record.epoch % self.every == 0:
            with open(self.path, "a") as file:
                file.write(f"{record.epoch}\\n")


@register_callback("impostor")
@dataclass
class Impostor:
    pass
"""


@pytest.fixture(autouse=True)
def _in_a_new_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plugin(tmp_path, request):
    name = f"plugin_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    return f"plugins=[{name}]"


@pytest.fixture(scope="module")
def stripes():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 5
    x = rng.integers(0, 60, (120, 9, 9), np.uint8)
    x[np.arange(120), y] = 255
    return Dataset.from_arrays(x, y, name="stripes")


def the_run(tmp_path):
    (folder,) = tmp_path.glob("outputs/*/*/")
    return folder


def test_arrays_are_trained_on_and_the_run_says_on_what(tmp_path, stripes, events_of):
    result = api.train("tracking=off", "epochs=30", "batch_size=16", data=stripes)
    assert (result.data, result.test_accuracy) == ("stripes", 1.0)
    folder = the_run(tmp_path)
    told = events_of(folder, "dataset")
    assert len(told) == 3  # to train, to validate, to test
    assert {dataset["name"] for dataset in told} == {"stripes"}
    assert stripes.digest.startswith(told[-1]["digest"])
    assert events_of(folder, "start")[0]["experiment"] == "stripes"
    assert events_of(folder, "params")[0]["params"]["data.name"] == "stripes"


def test_how_arrays_are_split_and_scaled_is_the_overrides_say(stripes):
    assert api.train(*SMALL, "data.validation_size=0", "data.standardize=false", data=stripes).validation_loss is None


def test_arrays_and_another_data_set_contradict_each_other(tmp_path, stripes):
    for said in ("data=digits", "data.root=x", "data.name=y"):
        with pytest.raises(ConfigError, match="the data are given already"):
            api.train(*SMALL, said, data=stripes)
    for name in ("mnist", "emnist_letters", "a/b", ""):
        with pytest.raises(ConfigError, match="name"):
            api.train(*SMALL, data=Dataset.from_arrays(stripes.images, stripes.labels, name=name))
    assert not list(tmp_path.glob("outputs/*/*"))


def interrupted(folder):
    """Make a finished run one that was killed after its last checkpoint."""
    (folder / "outcome.json").unlink()
    journal = folder / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))


def test_a_run_on_arrays_goes_on_with_the_same_data_alone(tmp_path, command, stripes):
    first = api.train(*SMALL, data=stripes)
    folder = the_run(tmp_path)
    interrupted(folder)
    with pytest.raises(ConfigError, match="has to be given again"):
        api.train(f"resume={folder}")
    other = Dataset.from_arrays(255 - stripes.images, stripes.labels, name="stripes")
    with pytest.raises(DataError, match="the run was on other data"):
        api.train(f"resume={folder}", data=other)
    done = command(f"resume={folder}")
    assert done.code == 2
    assert "has to be given again" in done.output
    again = api.train(f"resume={folder}", "epochs=3", data=stripes)
    assert (again.run, again.epochs) == (first.run, 3)


@pytest.mark.long
def test_a_run_goes_on_with_its_data_in_another_form_and_with_no_other(tmp_path, stripes, command):
    np.savez(tmp_path / "a.npz", x=stripes.images, y=stripes.labels)
    arguments = ("data=idx", "data.name=mine", *SMALL)
    assert command(*arguments, "data.root=a.npz").code == 0
    folder = the_run(tmp_path)
    interrupted(folder)
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "a.npz", tmp_path / "elsewhere" / "b.npz")
    done = command(f"resume={folder}")
    assert (done.code, "a.npz: no such folder or file" in done.output) == (2, True)
    done = command(f"resume={folder}", "data=idx", "data.root=elsewhere", "data.test_seed=1")
    assert "data.test_seed=1: the run has data.test_seed=0" in done.output
    assert command(f"resume={folder}", "data.root=elsewhere", "epochs=3").code == 0


def test_a_plugins_data_schedule_and_callback_by_the_command(tmp_path, command, plugin, events_of):
    callbacks = "trainer.callbacks=[{kind: diary, path: diary.txt}, {kind: diary, path: even.txt, every: 2}]"
    data = ("data=custom", "data.name=stripes", "+data.parameters.count=40")
    schedule = ("schedule=custom", "schedule.name=flip", "+schedule.parameters.every=3")
    done = command(plugin, *data, *schedule, callbacks, *SMALL)
    assert done.code == 0, done.output
    assert "data: stripes from arrays in memory: 37 images to train on, 3 to validate, 20 to test" in " ".join(
        done.output.split()
    )
    assert (tmp_path / "diary.txt").read_text() == "1\n2\n"
    assert (tmp_path / "even.txt").read_text() == "2\n"
    params = events_of(done.run, "params")[0]["params"]
    wanted = {"data.name": "stripes", "data.parameters.count": 40, "schedule.parameters.every": 3}
    assert params.items() >= wanted.items()


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (["data.name=strips"], "data.name='strips' is no data set that a plugin registered; did you mean 'stripes'?"),
        (["+data.parameters.count=4"], "data.parameters.count=4 is out of range: must be at least 20"),
        (["+data.parameters.cont=40"], "data.parameters.cont is unknown; did you mean 'count'?"),
        (["data.name=nothing"], "data.name='nothing': its load() returns NoneType, not a Dataset"),
        (["schedule=custom", "schedule.name=flap"], "schedule.name: unknown schedule 'flap'; did you mean 'flip'?"),
        (
            ["schedule=custom", "schedule.name=flip", "+schedule.parameters.every=0"],
            "every=0 is out of range",
        ),
        (["trainer.callbacks=[{kind: dairy}]"], "trainer.callbacks.0: unknown callback 'dairy'; did you mean 'diary'?"),
        (["trainer.callbacks=[{kind: diary}]"], "trainer.callbacks.0 (diary): path is missing"),
        (
            ["trainer.callbacks=[{kind: diary, path: x, every: 0}]"],
            "trainer.callbacks.0 (diary): every=0 is out of range",
        ),
        (["trainer.callbacks=[{kind: impostor}]"], "trainer.callbacks.0 (impostor): must be a Callback"),
        (["trainer.callbacks=[diary]"], "trainer.callbacks.0: 'diary' is no callback: must be a mapping with a kind"),
    ],
)
def test_slips_in_what_plugins_registered_are_told(command, plugin, overrides, wanted):
    done = command(plugin, "data=custom", "data.name=stripes", *SMALL, *overrides)
    assert done.code == 2
    assert wanted in done.output
    assert done.folders == []


def test_a_notebooks_cell_registers_data_and_may_run_twice():
    for _ in range(2):
        exec(PLUGIN, {"__name__": "notebook"})
        result = api.train(*SMALL, "data=custom", "data.name=stripes")
    assert result.data == "stripes"


@pytest.mark.parametrize("data", [(np.zeros((9, 4, 4)), np.arange(9)), "digits", np.zeros((9, 4, 4))])
def test_arrays_that_are_no_data_set_yet_are_answered_with_what_makes_one(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    for use in (lambda: api.train("epochs=1", data=data), lambda: api.build_trainer(api.compose([]), data)):
        with pytest.raises(DataError, match=r"a Dataset is wanted: Dataset\.from_arrays\(x, y\)"):
            use()
    assert list(tmp_path.iterdir()) == []
