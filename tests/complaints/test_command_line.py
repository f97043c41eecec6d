"""What people type at first: each is answered with what to type, and that can be pasted."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.__main__ import COMMAND
from mnist_trainer.complaints.command_line import given_as, read, typed, unreadable
from mnist_trainer.complaints.files import Folders
from mnist_trainer.complaints.values import meant_by
from mnist_trainer.composition import compose, conf_folder
from mnist_trainer.errors import ConfigError

TYPED = {
    "train": "train: say task=train",
    "compare": "say task=compare",
    "trian": "did you mean task=train?",
    "help": "say --help",
    "sweep": "say --multirun",
    "tiny": "say experiment=tiny",
    "loss fused": "say loss=fused",
    "lr 0.1": "say optimizer.lr=0.1",
    "seed:1": "say seed=1",
    "lr=0.1": "lr is unknown; say optimizer.lr",
    "learning_rate=0.1": "say optimizer.lr",
    "optimizer.learning_rate=0.1": "say optimizer.lr",
    "optimizer_lr=0.1": "say optimizer.lr",
    "optimizer/lr=0.1": "say optimizer.lr",
    "hidden=[8]": "say model.hidden",
    "epsilon=1": "say loss.epsilon or optimizer.epsilon",
    "SEED=1": "SEED is unknown; say seed",
    "optimizer.lr=1e-3,": "nothing on its other side: say optimizer.lr=1e-3",
    "seed=0,,1": "say seed=0,1",
    "seed==1": "say seed=1",
    "seed+=1": "say seed=1",
    "optimizer:lr=1": "say optimizer.lr=1",
    "optimizer[lr]=1": "say optimizer.lr=1",
    "model.layers[0].units=3": "say model.layers.0.units=3",
    "optimizer..lr=1": "say optimizer.lr=1",
    "=1": "no key before the =",
    "data.root=a=b": "say \"data.root='a=b'\"",
    "data.root=/tmp/a(1)": "say \"data.root='/tmp/a(1)'\"",
    "name=läufe": "say \"name='läufe'\"",
    "outputs=a(1)": "say \"outputs='a(1)'\"",
    "loss=posted_answer": "did you mean 'mistakes/posted_answer'?",
    "loss=focal": "loss=custom loss.name=focal",
    "optimizer=SGD": "did you mean 'sgd'?",
    "model.hidden=64": "as in model.hidden=[64]",
    "model.hidden=64,32": 'for a list, say "model.hidden=[64,32]"',
    "model.hidden=(64,32)": 'say "model.hidden=[64,32]"',
    "model.hidden=[64,32": "a bracket is not closed",
    "model.hidden=64]": "closed that was not opened",
    "model.hidden=[[64]]": "model.hidden=[[64]] has the wrong type",
    "batch_size=1,000": "for one number, say batch_size=1000",
    "optimizer.lr=0,001": "for one number, say optimizer.lr=0.001",
    "data.root=/tmp/a,b": "say \"data.root='/tmp/a,b'\"",
    "seed=range(3)": "add --multirun",
    "seed=rnge(3)": "did you mean range(...)?",
    "seed=range(x)": "as in range(1,10)",
    "loss=[fused,separate]": "--multirun loss=fused,separate",
    "tracking=false": "say tracking=off",
    "tracking=null": "say tracking=off",
    "experiment=null": "say experiment=none",
    "optimizer=1": "a choice is a name",
    "+experiment=tiny": "say experiment=tiny",
    "++optimizer=adam": "say optimizer=adam",
    "optimizer@x=adam": "say optimizer=adam",
    "seed@x=1": "say seed=1",
    "~seed": "every run has its seed",
    "~optimizer": "every run has its optimizer",
    "~nothing": "there is no nothing",
    "name=${name}": "name is computed from itself",
    "seed=${epochs} epochs=${seed}": "seed is computed from itself",
    "seed=${nothing}": "seed=${nothing}: ${nothing}: there is no key nothing",
    "model=cnn model.layers.99.units=3": "model.layers.99: there is none; the last one is model.layers.",
    "model=cnn model.layers.x=3": "model.layers.x=3: can't be composed",
}


@pytest.mark.parametrize(("line", "wanted"), TYPED.items(), ids=TYPED)
def test_what_was_typed_is_answered_with_what_to_type(line, wanted):
    with pytest.raises(ConfigError) as error:
        compose(line.split())
    message = str(error.value)
    assert wanted in message
    assert message.count("\n") <= 1
    assert [word for word in ("hydra.cc", "Exception", "EOF", "expecting", "dict", "Config") if word in message] == []


@pytest.mark.parametrize(
    ("line", "wanted"),
    {
        "--epochs 1": "--epochs: values are given without dashes: say epochs=1",
        "--epochs=1": "say epochs=1",
        "-epochs=1": "say epochs=1",
        "--batch-size 8": "say batch_size=8",
        "--lr 0.1": "say optimizer.lr=0.1",
        "--data.root a=b": "say data.root=...",
        "--mulitrun seed=0,1": "did you mean --multirun?",
        "--cfg": "--cfg",
        "--experimental-rerun x": "resume=FOLDER goes on with it",
        "--shell-completion install=csh": "install=csh: can't be composed",
        "--shell-completion": "mnist_trainer: can't be composed",
        "outputs='${outputs}'": "outputs is computed from itself",
        "--cfg jobs": "invalid choice",
        "--cfg job --package optimizr": "optimizr",
        "--resolve": "--cfg",
        "train": "say task=train",
        "-m loss=fused, separate": "a blank parts arguments",
        "-m seed=interval(0,1)": "hydra/sweeper=optuna",
        "-m hydra.job.chdir=true,false": "give one value",
        "-m seed=0,1 hydra.sweep.subdir='${hydra.job.num}'": "leave it out",
    }.items(),
)
def test_the_command_ends_with_code_2_and_a_line(command, line, wanted):
    done = command(*shlex.split(line))
    assert done.code == 2
    assert wanted in done.output
    assert "Traceback" not in done.output
    assert "usage:" not in done.output
    assert done.folders == []


def test_a_home_is_found_where_a_shell_would_leave_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    folders = Folders([conf_folder()])
    assert read(["data.root=~/x", "outputs=~", "images=[~/a.png,~/b.png]"], folders) == [
        "data.root=/home/me/x",
        "outputs=/home/me",
        "images=[/home/me/a.png,/home/me/b.png]",
    ]
    kept = ["name='~/x'", "~experiment", "data.root=a~/x"]
    assert read(kept, folders) == kept
    monkeypatch.setenv("HOME", "/home/it's me")
    (found,) = read(["data.root=~/x"], folders)
    assert OverridesParser.create().parse_override(found).value() == "/home/it's me/x"


def test_a_command_in_a_home_works(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    done = command("data=digits", "tracking=off", "epochs=1", "model.hidden=[4]", "outputs=~/runs")
    assert done.code == 0, done.output
    assert list(tmp_path.glob("runs/*/*/outcome.json"))


def test_no_experiment_is_a_choice_beside_others():
    assert compose(["data=digits", "experiment=none"]) == compose(["data=digits"])


VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@given(VALUES)
def test_what_is_proposed_can_be_pasted_and_means_what_was_typed(value):
    override = f"name={value}"
    try:
        OverridesParser.create().parse_override(override)
    except Exception:
        message = unreadable(override)
    else:
        return
    if not (found := re.search(r"stands in quotes: say (.*)", message, re.DOTALL)) or "'c'" in found[1]:
        return
    (pasted,) = shlex.split(found[1])
    assert OverridesParser.create().parse_override(pasted).value() == value.strip("'\"")


@given(st.text(st.sampled_from("ab=.'\"$`! \\,(["), min_size=1))
def test_a_shell_gives_back_what_is_typed(text):
    assert shlex.split(typed(text)) == [text]
    assert given_as("name", "a") == "name=a"


def test_every_key_means_itself_or_nothing():
    for key in ("seed", "optimizer.lr", "model.hidden"):
        assert meant_by(key) in (None, key)


def test_a_shell_completes_the_words_of_the_console_script(command, monkeypatch):
    (script,) = entry_points(group="console_scripts", name=COMMAND)
    assert script.value == "mnist_trainer.__main__:main"
    for shell in ("bash", "zsh", "fish"):
        done = command("--shell-completion", f"install={shell}")
        assert (done.code, COMMAND in done.output, "mnist_trainer" in done.output) == (0, True, False)
    monkeypatch.setenv("COMP_LINE", f"{COMMAND} loss=fu")
    assert command("--shell-completion", "query=bash").output.split() == ["loss=fused"]


def test_a_working_directory_that_is_gone_is_told(tmp_path):
    (tmp_path / "gone").mkdir()
    code = "import os, sys; os.chdir('gone'); os.rmdir('../gone'); from mnist_trainer.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "mnist_trainer: the working directory: No such file or directory: change to one that is there\n"
    )


def test_a_directory_whose_name_hydra_would_compute_is_told(command, tmp_path):
    done = command("data=digits", folder=tmp_path / "a${seed}b")
    assert (done.code, "take a folder without" in done.output) == (2, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "a${seed}b"]
