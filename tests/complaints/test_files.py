"""Every slip in a YAML file: the file, the line, and what would fit."""

import re

import pytest

from mnist_trainer.composition import compose
from mnist_trainer.errors import ConfigError
from tests.sampling import every_other

GLOBAL = "# @package _global_\n"
DEFAULTS = "defaults: [config, _self_]\n"
WORDS_OF_HYDRA = ("Config", "omegaconf", "yaml.", "full_key", "hydra.cc", "Error", "Optional", "http")

# what stands below the first line, the line that it is in, and what is told of it
EXPERIMENTS = {
    "tab": ("epochs: 1\n\tseed: 2\n", 3, ["a tab", "spaces"]),
    "key twice": ("epochs: 1\nseed: 2\nepochs: 3\n", 4, ["epochs stands in line 2 already"]),
    "key twice, nested": ("optimizer:\n  lr: 1\n  lr: 2\n", 4, ["lr stands in line 3 already"]),
    "list": ("- epochs: 1\n", 2, ["a list where keys with values belong"]),
    "word": ("hello\n", 2, ["'hello' where keys with values belong"]),
    "no blank after the colon": ("epochs:1\n", 2, ["'epochs:1' where keys"]),
    "boolean for a choice": ("defaults:\n  - override /tracking: off\n", 3, ["write override /tracking: 'off'"]),
    "number for a choice": ("defaults:\n  - override /model: 3\n", 3, ["a number in YAML", "'3'"]),
    "mapping for a choice": ("defaults:\n  - override /optimizer: {lr: 3}\n", 3, ["a choice is a name"]),
    "no choice": ("defaults:\n  - override /model: null\n", 3, ["every run has its model"]),
    "no slash": ("defaults:\n  - override optimizer: adam\n", 3, ["write override /optimizer"]),
    "no override": ("defaults:\n  - /optimizer: adam\n", 3, ["a choice already", "override /optimizer"]),
    "unknown choice": ("defaults:\n  - override /optimizer: adamm\n", 3, ["did you mean 'adam'"]),
    "unknown group": ("defaults:\n  - override /optimzer: adam\n", 3, ["did you mean 'optimizer'"]),
    "two in one entry": ("defaults:\n  - override /data: digits\n    override /model: cnn\n", 3, ["a dash"]),
    "defaults a mapping": ("defaults:\n  override /optimizer: adam\n", 3, ["defaults is a list", "- override"]),
    "defaults a word": ("defaults: tiny\n", 2, ["defaults is a list", "this is 'tiny'"]),
    "defaults nothing": ("defaults:\n", 2, ["defaults is a list", "this is nothing"]),
    "no such file": ("defaults:\n  - tinny\n", 3, ["experiment/tinny: no such file"]),
    "itself": ("defaults:\n  - /experiment/mine\n", 3, ["composed of itself"]),
    "unknown key": ("epochs: 1\nbatchsize: 2\n", 3, ["batchsize is unknown; did you mean 'batch_size'?"]),
    "unknown key of a group": ("optimizer:\n  lrr: 0.1\n", 3, ["optimizer.lrr is unknown; did you mean 'lr'?"]),
    "key without its group": ("lr: 0.1\n", 2, ["lr is unknown; say optimizer.lr"]),
    "unknown key of Hydra's": ("hydra:\n  swep: {}\n", 3, ["hydra.swep is unknown; did you mean 'sweep'?"]),
    "type": ("epochs: many\n", 2, ["epochs=many has the wrong type: must be a whole number"]),
    "type in a group": ("optimizer:\n  lr: fast\n", 3, ["optimizer.lr=fast", "must be a number"]),
    "no list": ("model:\n  hidden: 8\n", 3, ["a list of whole numbers, as in model.hidden=[8]"]),
    "type in a list": ("model:\n  hidden: [8, a]\n", 3, ["model.hidden.1=a", "a whole number"]),
    "one of several": ("hydra:\n  mode: MULTI\n", 3, ["one of RUN, MULTIRUN"]),
    "nothing": ("epochs:\n", 2, ["epochs=null", "a whole number"]),
    "choice beside its keys": ("optimizer: adam\n", 2, ["optimizer: 'adam' where keys", "- override /optimizer: adam"]),
    "list for a group": ("optimizer:\n  - lr: 0.1\n", 2, ["optimizer: a list where keys"]),
    "nothing for a group": ("optimizer:\n", 2, ["optimizer: nothing where keys"]),
    "range": ("seed: 1\nbatch_size: 0\n", 3, ["batch_size=0 is out of range: must be at least 1"]),
    "another's name": ("optimizer:\n  name: adam\n", 3, ["optimizer=sgd is called sgd; say optimizer=adam"]),
    "unclosed bracket": ("model:\n  hidden: [8, 8\nepochs: 1\n", 3, ["a bracket is opened and not closed"]),
    "unclosed quote": ("name: 'abc\nepochs: 1\n", 2, ["a quote is opened and not closed"]),
    "colon in a value": ("name: a: b\n", 2, ["stands in quotes"]),
    "no colon": ("seed: 1\nepochs 1\n", 3, ["has no 'key: '"]),
    "indented": ("epochs: 1\n  seed: 2\n", 3, ["indented otherwise"]),
    "no such key": ("name: ${nothing}\n", 2, ["${nothing}: there is no key nothing"]),
    "unclosed interpolation": ("name: ${seed\n", 2, ["${seed: can't be read"]),
    "unknown resolver": ("name: ${foo:1}\n", 2, ["${foo:...}: nothing is called so"]),
    "not in the environment": ("name: ${oc.env:NO_SUCH}\n", 2, ["the environment has no NO_SUCH"]),
    "two documents": ("seed: 1\n---\nseed: 2\n", 3, ["a second document"]),
    "no anchor": ("epochs: *b\n", 2, ["*b names no &anchor"]),
    "code": ("seed: !!python/object/apply:os.system ['true']\n", 2, ["without tags"]),
    "octal number": ("seed: 010\n", 2, ["seed: 010 without quotes is the octal number 8 in YAML: write 10"]),
    "octal number of a group": ("model:\n  hidden: [8, -017]\n", 3, ["model.hidden: -017", "-15", "write -17"]),
    "number to the base of 60": ("seed: 12:30\n", 2, ["seed: 12:30 without quotes is a number to the base of 60"]),
    "boolean for a word": ("name: no\n", 2, ["name: no without quotes is true or false in YAML: write 'no'"]),
    "computed from itself": ("seed: ${seed}\n", 2, ["seed is computed from itself"]),
    "computed in a circle": ("epochs: 1\nbatch_size: ${seed}\nseed: ${batch_size}\n", 3, ["computed from itself"]),
    "number for a key": ("1: 2\n", 2, ["1: a key is a word"]),
    "nothing for a key": ("~: 2\n", 2, ["~: a key is a word"]),
}


def told(arguments):
    """Compose, which can't be done; returns what is told, which names nothing of Hydra's."""
    with pytest.raises(ConfigError) as error:
        compose(["data=digits", *arguments])
    message = str(error.value)
    assert [word for word in WORDS_OF_HYDRA if word in message] == []
    assert message.count("\n") <= 2
    return message


@pytest.mark.parametrize(("content", "line", "wanted"), every_other(EXPERIMENTS))
def test_a_slip_in_an_experiment_is_told_with_its_line(conf, content, line, wanted):
    path = conf / "experiment" / "mine.yaml"
    path.write_text(GLOBAL + content)
    message = told(["experiment=mine"])
    assert re.search(rf"experiment/mine\.yaml, line {line}: ", message), message
    assert [part for part in wanted if part not in message] == []


@pytest.mark.parametrize(
    "content", ["epochs: 1\n", "", "# mine\n# @package _global_\nseed: 1\n", "# @package _globl_\n"]
)
def test_an_experiment_without_its_first_line_is_told_which_it_is(conf, content):
    (conf / "experiment" / "mine.yaml").write_text(content)
    assert "an experiment's first line is '# @package _global_'" in told(["experiment=mine"])


@pytest.mark.parametrize(
    "header", ["#@package _global_\n", "\n# @package   _global_\n", "# @other x\n# @package _global_\n"]
)
def test_a_first_line_written_otherwise_is_one(conf, header):
    (conf / "experiment" / "mine.yaml").write_text(f"{header}\nseed: 3\n")
    assert compose(["data=digits", "experiment=mine"]).seed == 3


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"name: caf\xe9\n", "line 2: this is not UTF-8"),
        ("seed: 1\n".encode("utf-16"), "line 2: this is not UTF-8"),
        (b"\x00", "holds the character #x0000"),
    ],
)
def test_a_file_of_something_else_than_text_is_told(conf, content, wanted):
    (conf / "experiment" / "mine.yaml").write_bytes(GLOBAL.encode() + content)
    assert wanted in told(["experiment=mine"])


def test_a_byte_order_mark_is_told(conf):
    (conf / "experiment" / "mine.yaml").write_text(GLOBAL, encoding="utf-8-sig")
    assert "line 1: begins with a byte order mark" in told(["experiment=mine"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "content", "arguments", "line", "wanted"),
    [
        ("optimizer/mine.yaml", "name: sgd\n\tlr: 1\n", ["optimizer=mine"], 2, "a tab"),
        ("optimizer/mine.yaml", "name: a\nname: b\n", ["optimizer=mine"], 2, "name stands in line 1"),
        ("optimizer/mine.yaml", "optimizer:\n  lr: 1\n", ["optimizer=mine"], 1, "without optimizer:"),
        ("optimizer/mine.yaml", "defaults: [sgd]\nmomentm: 1\n", ["optimizer=mine"], 2, "did you mean 'momentum'"),
        ("optimizer/mine.yaml", "defaults:\n  - /schema/optimizer/sg@_here_\n", ["optimizer=mine"], 2, "no such file"),
        ("model/mine.yaml", "defaults: [custom]\nname: m\nlayers:\n  - kind: lnear\n", ["model=mine"], 4, "'linear'"),
        (
            "loss/mistakes/mine.yaml",
            "defaults: [/schema/loss/clipped@_here_]\nepsilonn: 1\n",
            ["loss=mistakes/mine"],
            2,
            "'epsilon'",
        ),
        ("config.yaml", "defaults:\n\t- schema\n", [], 2, "a tab"),
    ],
)
def test_a_slip_in_any_group_s_file_is_told_with_its_line(conf, name, content, arguments, line, wanted):
    (conf / name).write_text(content)
    message = told(arguments)
    assert f"{name}, line {line}: " in message
    assert wanted in message


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "content", "arguments", "wanted"),
    [
        ("conf/mine.yaml", DEFAULTS + "epohcs: 1\n", ["-cn", "mine"], "conf/mine.yaml, line 2: epohcs is unknown"),
        ("conf/mine.yaml", DEFAULTS + "epochs: 0\n", ["-cn", "mine"], "conf/mine.yaml, line 2: epochs=0"),
        ("conf/mine.yaml", "defaults: [confg]\n", ["-cn", "mine"], "conf/mine.yaml, line 1: confg: no such file"),
        ("conf/mine.yaml", "epochs: 1\n", ["-cn", "mine"], "begins with 'defaults: [config, _self_]'"),
        ("conf/mine.yaml", "epochs: 1\n", ["-cn", "mine", "data=digits"], "line 1: a main file begins with"),
        ("conf/mine.yaml", DEFAULTS, ["-cn", "mien"], "--config-name mien: not in conf; did you mean 'mine'?"),
        (
            "more/experiment/mine.yaml",
            GLOBAL + "\tx: 1\n",
            ["-cd", "more", "experiment=mine"],
            "mine.yaml, line 2: begins",
        ),
        (
            "more/experiment/mine.yaml",
            GLOBAL + "batch_size: 0\n",
            ["hydra.searchpath=[more]", "experiment=mine"],
            "more/experiment/mine.yaml, line 2: batch_size=0",
        ),
        ("more/x", "", ["hydra.searchpath=[mroe]"], "hydra.searchpath: mroe: there is no such folder"),
        ("more/x", "", ["-cd", "mroe"], "--config-dir: mroe: no such folder"),
        (
            "conf/hydra/job_logging/mine.yaml",
            "version: 1\nversion: 2\n",
            ["hydra/job_logging=mine"],
            "line 2: version stands in line 1",
        ),
        (
            "conf/hydra/launcher/mine.yaml",
            "defaults: [joblib]\nn_job: 2\n",
            ["-m", "hydra/launcher=mine", "seed=0,1"],
            "conf/hydra/launcher/mine.yaml, line 2: hydra.launcher.n_job is unknown; did you mean 'n_jobs'?",
        ),
        ("conf/experiment/mine.yml", GLOBAL, ["experiment=mine"], "mine.yml is not looked at"),
        (
            "conf/mine.yaml",
            DEFAULTS + "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,,1'}}}\n",
            ["-cn", "mine"],
            "seed=0,,1: a comma with nothing on its other side",
        ),
    ],
)
@pytest.mark.usefixtures("conf")
def test_the_command_tells_slips_wherever_files_are(command, tmp_path, name, content, arguments, wanted):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
    done = command(*arguments)
    assert done.code == 2, done.output
    assert wanted in done.output
    assert "Traceback" not in done.output
    assert "Warning" not in done.output
    assert list(tmp_path.rglob("outputs/**/*.json*")) == []


def test_what_was_typed_is_not_blamed_on_a_file(conf):
    (conf / "experiment" / "mine.yaml").write_text(f"{GLOBAL}batch_size: 0\n")
    assert told(["experiment=mine", "batch_size=-1"]).startswith("batch_size=-1 is out of range")
    assert told(["batch_size=0", "optimizer={name: adam}"]).startswith("optimizer.name=adam: optimizer=sgd")


def test_numbers_and_words_that_are_what_they_look_like_are_left_alone(conf):
    values = "seed: 10\nepochs: '010'\nname: 'no'\noptimizer:\n  lr: 0.05\ntrainer:\n  progress: no\n  clip_norm: 1.0\n"
    (conf / "experiment" / "mine.yaml").write_text(GLOBAL + values + "# at 12:30, 010: no\n")
    config = compose(["experiment=mine"])
    assert (config.seed, config.epochs, config.name, config.trainer.progress) == (10, 10, "no", False)


def test_a_home_is_found_in_a_file_too(conf, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    (conf / "experiment" / "mine.yaml").write_text(f"{GLOBAL}outputs: ~/runs\njournal: ~/runs/old\n")
    config = compose(["experiment=mine"])
    assert (config.outputs, config.journal) == ("/home/me/runs", "/home/me/runs/old")


@pytest.mark.long
def test_a_command_and_a_sweep_are_in_the_home_that_a_file_names(conf, command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (conf / "experiment" / "mine.yaml").write_text(f"{GLOBAL}outputs: ~/runs\nepochs: 1\n")
    given = ("experiment=mine", "data=digits", "tracking=off", "model.hidden=[4]")
    for more in ((), ("--multirun", "seed=0")):
        assert command(*given, *more).code == 0
    assert len(list(tmp_path.glob("me/runs/*/*/**/outcome.json"))) == 2
    assert not (tmp_path / "~").exists()


def test_a_file_that_holds_no_keys_at_all_is_told_by_the_command(conf, command):
    (conf / "experiment" / "mine.yaml").write_text("42\n")
    done = command("experiment=mine")
    assert (done.code, "'42' where keys with values belong" in done.output) == (2, True)
