"""The files in conf/: all compose, describe themselves, agree with the classes, and are what --help lists."""

import copy
import dataclasses
import re

import pytest
from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import OmegaConf

from mnist_trainer import registry
from mnist_trainer.build import build_layers, build_loss, build_optimizer, build_schedule
from mnist_trainer.composition import compose, conf_folder
from mnist_trainer.config import SCHEMAS, CommandConfig, NodeToBe

CONF = conf_folder()
FILES = sorted(path for path in CONF.rglob("*.yaml"))
CHOICES = [  # (group, choice): ("loss", "fused"), ("loss", "mistakes/diagonal")
    (path.relative_to(CONF).parts[0], "/".join(path.relative_to(CONF).with_suffix("").parts[1:]))
    for path in FILES
    if path.parent != CONF and "hydra" not in path.relative_to(CONF).parts
]
GROUPS = sorted({group for group, _ in CHOICES})
EXPERIMENTS = [choice for group, choice in CHOICES if group == "experiment"]
OTHERS = {group: [choice for each, choice in CHOICES if each == group] for group in GROUPS if group != "experiment"}
BUILT = {
    group: [choice for choice in OTHERS[group] if choice != "custom"] for group in ("loss", "optimizer", "schedule")
}
WANTED = {  # what the user has to give
    ("data", "idx"): ["data.root=x"],
    ("data", "custom"): ["data.name=x"],
    ("model", "custom"): ["model.layers=[{kind: flatten}, {kind: linear, units: 10}]"],
    ("loss", "custom"): ["loss.name=fused"],
    ("optimizer", "custom"): ["optimizer.name=sgd"],
    ("schedule", "custom"): ["schedule.name=constant"],
}


def flat(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@pytest.mark.parametrize("index", range(max(map(len, OTHERS.values()))))
def test_every_choice_of_every_group_composes_and_passes_all_checks(index):
    chosen = {group: choices[index % len(choices)] for group, choices in OTHERS.items()}
    wanted = [override for choice in chosen.items() for override in WANTED.get(choice, [])]
    config = compose([*(f"{group}={choice}" for group, choice in chosen.items()), *wanted])
    for group, choice in chosen.items() - WANTED.keys() - {("trainer", "default")}:
        assert getattr(config, group).name == choice.rpartition("/")[2]  # what tags, run names and tables call it


@pytest.mark.parametrize(("group", "choice"), WANTED)
def test_a_choice_with_keys_for_the_user_to_give_names_them_all(command, group, choice):
    done = command(f"{group}={choice}")
    keys = {override.partition("=")[0] for override in WANTED[group, choice]}
    assert done.code == 2
    assert set(re.findall(r"(\S+) is missing: give it a value", done.output)) == keys


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_begins_by_saying_what_it_is(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert re.fullmatch(r"# \S.*\.", lines[0])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_holds_overrides_of_existing_keys_only(name):
    own = OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{name}.yaml"))
    own.pop("hydra", None)  # of a sweep, and no job's
    choices = [next(iter(item.items())) for item in own.pop("defaults", [])]
    assert all(key.startswith("override /") for key, _ in choices)
    without = dict(flat(dataclasses.asdict(compose([f"{key.partition('/')[2]}={value}" for key, value in choices]))))
    with_it = dict(flat(dataclasses.asdict(compose([f"experiment={name}"]))))
    assert with_it.keys() == without.keys() >= dict(flat(own)).keys()
    named = {key: with_it[key] for key, _ in flat(own)}
    assert named == dict(flat(own))
    changed = {key for key in with_it if with_it[key] != without[key]} - {"name", "task.label"}
    assert changed == named.keys()  # an override that changes nothing is none


@pytest.mark.parametrize("index", range(max(len(BUILT[group]) for group in BUILT)))
def test_values_in_the_files_are_the_classes_own_defaults_but_for_choices_made_here(index):
    chosen = {group: choices[index % len(choices)] for group, choices in BUILT.items()}
    config = compose([f"{group}={choice}" for group, choice in chosen.items()])
    build = {"loss": build_loss, "optimizer": build_optimizer, "schedule": build_schedule}
    for group, choice in chosen.items():
        part = getattr(config, group)
        built, default = build[group](part), getattr(registry, {"loss": "losses"}.get(group, f"{group}s"))[part.name]()
        different = {("optimizer", "sgd"): {"nesterov", "weight_decay"}}.get((group, choice), set())
        names = {field.name for field in dataclasses.fields(part)} - {"name", "lr"}
        declared = {field.name for field in dataclasses.fields(built) if field.init}
        if choice.startswith("mistakes/"):
            declared -= {"label_smoothing"}  # of the right half of a mistake
        assert names == declared  # a hyperparameter that the file leaves out can't be swept
        assert {name for name in names if getattr(built, name) != getattr(default, name)} == different


def test_help_lists_every_group_and_choice_and_no_other():
    template = OmegaConf.load(CONF / "hydra" / "help" / "mnist_trainer.yaml").template
    listed, group = set(), None
    for line in template.splitlines():
        if found := re.fullmatch(r"([a-z_]+)", line):
            group = found[1]
        elif (found := re.fullmatch(r"  ([a-z0-9_/]+) +(\S.*)", line)) and group:
            listed.add((group, found[1]))
        elif not line.strip():
            group = None
    assert listed == set(CHOICES)


def test_help_names_every_top_level_key_and_the_exit_codes(command):
    done = command("--help")
    assert done.code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    others = re.split(r",\s+", re.search(r"other keys: (.*?)\n\s+tracking=off", done.output, re.DOTALL)[1])
    assert {key.partition(".")[0] for key in others} == {
        field.name for field in dataclasses.fields(CommandConfig)
    } - set(GROUPS)
    for name in ("0 done", "1 failed", "2 unusable", "130/143 interrupted"):
        assert name in done.output


def test_a_schema_is_made_when_it_is_asked_for_not_with_a_copy_of_the_store(monkeypatch):
    made = []
    node = NodeToBe(lambda: made.append("made") or {"key": 1})
    monkeypatch.setitem(ConfigStore.instance().repo, "asked.yaml", ConfigNode("asked", node, None, None, None))
    of_all = copy.deepcopy(ConfigStore.instance())
    assert made == []
    assert of_all.load("asked.yaml").node == {"key": 1}
    assert made == ["made"]


def test_every_schema_is_taken_by_a_file():
    named = {match for path in FILES for match in re.findall(r"/schema/(\S+?)@_here_", path.read_text())}
    assert named == set(SCHEMAS)


def test_a_run_is_named_for_what_was_chosen():
    assert compose().name == "mlp-fused-sgd-b128-s0"
    overrides = ["model=residual_mlp", "loss=separate", "optimizer=adam", "batch_size=32", "seed=7"]
    assert compose(overrides).name == "residual_mlp-separate-adam-b32-s7"


def test_layer_lists_take_parameters_with_a_plus_and_change_them_without_one():
    overrides = ["model=residual_mlp", "model.layers.1.units=32", "+model.layers.1.bias=false"]
    layers = build_layers(compose(overrides).model, classes=10)
    assert (layers[1].units, layers[1].bias) == (32, False)
