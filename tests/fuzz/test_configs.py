"""Command lines as users mistype them; see conftest.py for the long run."""

import os
import random
import sys
from dataclasses import replace

import pytest
from hypothesis import event, given, settings

from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.composition import compose
from mnist_trainer.config import KnownConfig
from tests.fuzz.nonsense import SEEDS, cases

KEYS = [
    "epochs",
    "batch_size",
    "seed",
    "dtype",
    "name",
    "outputs",
    "plugins",
    "journal",
    "resume",
    "task.name",
    "task.label",
    "data.name",
    "data.root",
    "data.split",
    "data.test_size",
    "data.cache",
    "data.validation_size",
    "data.standardize",
    "model.name",
    "model.hidden",
    "model.activation",
    "model.dropout",
    "loss.name",
    "loss.label_smoothing",
    "optimizer.name",
    "optimizer.lr",
    "optimizer.momentum",
    "optimizer.nesterov",
    "optimizer.weight_decay",
    "optimizer.decay",
    "schedule.name",
    "schedule.warmup",
    "schedule.initial",
    "schedule.final",
    "augment.name",
    "augment.rotation",
    "augment.scale",
    "augment.smoothness",
    "trainer.threads",
    "trainer.log_every",
    "trainer.clip_norm",
    "trainer.patience",
    "trainer.monitor",
    "trainer.restore_best",
    "trainer.checkpoint_minutes",
    "trainer.progress",
    "trainer.ema_decay",
    "trainer.callbacks",
    "tracking.name",
    "tracking.uri",
    "tracking.wait_seconds",
    "model.layers.0",
    "model.layers.1.units",
    "model.layers",
    "loss.parameters",
    "optimizer.beta1",
    "optimizer.epsilon",
    "schedule.every",
    "schedule.gamma",
    "hydra.run.dir",
    "hydra.job.name",
    "hydra.mode",
]
CHOICES = {
    "task": ["train", "compare", "gradcheck", "sync", "trian", "evaluate", "null"],
    "data": ["digits", "idx", "emnist", "qmnist", "custom", "mnst", "auto", "cifar"],
    "model": ["mlp", "linear", "lenet5", "cnn", "cnn_pooled", "resnet_mini", "residual_mlp", "custom", "vgg"],
    "loss": ["fused", "separate", "mistakes/clipped", "mistakes/nothing", "custom", "mistakes", "../model/mlp"],
    "optimizer": ["sgd", "adam", "adamw", "rmsprop", "custom", "lion"],
    "schedule": ["constant", "cosine", "step", "one_cycle", "custom", "linear"],
    "augment": ["none", "affine", "elastic", "mixup"],
    "trainer": ["default", "fast"],
    "tracking": ["mlflow", "off", "on", "wandb"],
    "experiment": ["tiny", "fast98", "fast99", "best", "regularized", "huge", "null"],
}
VALUES = [
    "0",
    "1",
    "-1",
    "2",
    "8",
    "1e3",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "1_000",
    "0x10",
    "1e-400",
    "99999999999999999999999",
    "true",
    "false",
    "null",
    "None",
    "yes",
    "ten",
    "''",
    '""\n"',
    "[]",
    "{}",
    "[8]",
    "[8,a]",
    "[0]",
    "[-1]",
    "[8,8,8]",
    "[[8]]",
    "[null]",
    "{a:1}",
    "{a:",
    "{b:",
    "1}}",
    "[1,2",
    "{a",
    "'x",
    '"x',
    "x'",
    "a,b",
    "1,2,3",
    "?",
    "???",
    "a=b",
    "a:b",
    "=",
    ":",
    ",",
    "\\",
    "\\n\n${seed}",
    "${nothing}",
    "${model.hidden}",
    "${oc.env:NOTHING}",
    "${now:}",
    "${",
    "$",
    "${}",
    "${seed",
    "${mnist_trainer.run_dir:a,b,c}",
    "${mnist_trainer.folder:}",
    "${mnist_trainer.unique:}\n${oc.create:{}}",
    "${oc.decode:[}",
    "é",
    "ü中",
    "\u202e",
    "🙂",
    "a\tb",
    "..",
    "/",
    "~",
    "~nobody",
    "/dev/null",
    "/dev/zero",
    "*",
    "range(3)",
    "choice(1,2)",
    "glob(*)\ninterval(0,1)",
    "sort(1)",
    "@x",
    "x@y",
    "relu",
    "rellu",
    "adam",
    "fused",
    "float64",
    "float16",
    "loss",
    "acc",
    "sqlite:///x",
    "http://x",
    "file:/x",
    "latest\nno_such_module",
    "os.path",
    "json",
    "this",
    "mnist_trainer.api",
    "1.5",
    "-0.0",
    "0.5",
    "1e30",
    "1000000000",
    "[1000000000]",
    "[1000000000000000000000]\n[99999999,99999999]",
    "${model}",
    "${.lr}",
    "${..seed}",
    "+1",
    "1+",
    "off",
    "mnist",
]
VALUES = [value for line in VALUES for value in line.split("\n")] + ["x" * 5000, "[" * 200, "{" * 99, "9" * 5000]
LAYERS = """{kind: flatten}|{kind: linear, units: 10}|{kind: linear, units: 1000000000}|{kind: linear, units: 0}
{kind: linear}
{kind: conv2d, filters: 4, kernel: 3}|{kind: conv2d, filters: 4, kernel: 0}|{kind: conv2d, filters: 4, kernel: 99}
{kind: conv2d, filters: 1000000000, kernel: 3}|{kind: conv2d, filters: 4, kernel: [3, 3, 3]}|{kind: conv2d, kernel: 3}
{kind: conv2d, filters: 4, kernel: 3, padding: 1000000}|{kind: conv2d, filters: 4, kernel: 3, stride: 1000000}
{kind: conv2d, filters: 4, kernel: 1, padding: 999999999999}|{kind: conv2d, filters: 4, kernel: []}
{kind: max_pool2d, kernel: 2}|{kind: max_pool2d, kernel: 2, stride: 0}|{kind: avg_pool2d, kernel: 3, padding: 2}
{kind: max_pool2d, kernel: 1000000000, padding: 500000000}|{kind: global_avg_pool}|{kind: batch_norm}|{kind: relu}
{kind: batch_norm, momentum: 2}|{kind: layer_norm}|{kind: leaky_relu, slope: x}|{kind: softmax}|{kind: dropout, rate: 1}
{kind: dropout, rate: nan}|{kind: reshape, shape: [28, 28]}|{kind: reshape, shape: [-1, -1]}|{kind: reshape, shape: 3}
{kind: reshape, shape: [0]}|{kind: reshape, shape: [7, 7, 16]}|{kind: reshape, shape: [-5]}|{kind: residual, layers: []}
{kind: residual, layers: [{kind: relu}]}|{kind: residual, layers: 3}|{kind: residual}|{kind: residual, layers: [relu]}
{kind: lnear, units: 3}|{kind: 3}|{}|relu|3|null|{kind: linear, units: 10, bias: 3}|{kind: linear, units: 1.5}
{kind: linear, units: 99999999999999999999999}|{kind: flatten, shape: [3]}|{kind: linear, units: 10, initializer: x}
{kind: linear, units: 10, _x: 3}|{kind: linear, units: true}|{1: 2}|[]
{kind: conv2d, filters: 4, kernel: 3, padding: -1}"""
LAYERS = [layer for line in LAYERS.split("\n") for layer in line.split("|")]


def layers(rng):
    """Return a list of layers that hardly fit each other."""
    found = rng.choices(LAYERS, k=rng.randrange(6))
    if rng.random() < 0.6:
        found = ["{kind: flatten}", *found, "{kind: linear, units: 10}"]
    if rng.random() < 0.05:
        depth = rng.choice([5, 40, 120])
        found.insert(0, "{kind: residual, layers: [" * depth + "{kind: relu}" + "]}" * depth)
    return f"[{','.join(found)}]"


def mistyped(rng, word):
    """Return a word with a slip of the fingers."""
    at = rng.randrange(len(word) + 1)
    slips = [word[:at] + word[at + 1 :], word[:at] + rng.choice("aeo_.- =[") + word[at:], word.upper(), f"{word}.x"]
    return rng.choice(slips)


def override(rng):
    """Return an override that may be wrong."""
    if rng.random() < 0.15:
        return f"model.layers={layers(rng)}"
    if rng.random() < 0.3:
        group = rng.choice(list(CHOICES))
        found = f"{group}={rng.choice(CHOICES[group])}"
    else:
        found = f"{rng.choice(KEYS)}={rng.choice(VALUES)}"
    key, _, value = found.partition("=")
    match rng.randrange(24):
        case 0 | 1 | 2:
            return f"{mistyped(rng, key)}={value}"
        case 3 | 4:
            return f"{rng.choice(['+', '++', '~', '+++', '@', '-', '--', '~~', '!'])}{found}"
        case 5:
            return rng.choice([key, f"~{key}", f"+{key}", f"{key}==", f"{key}:{value}", f"{key} = {value}", value])
        case 6:
            return f"{key}={value}{rng.choice(VALUES)}"
        case 7:
            return f"{key}={mistyped(rng, value)}"
        case _:
            return found


BASE = ["data=digits", "tracking=off", "epochs=1", "model.hidden=[4]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty working directory, without what the environment names."""
    path = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setattr(sys, "path", sys.path[:])
        for name in ("MNIST_ROOT", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.setenv("XDG_CACHE_HOME", str(path))
        (path / "raising_plugin.py").write_text("raise KeyError")
        yield path


def built(arguments):
    """Do what a command line does before it begins."""
    config = compose(arguments)
    data = replace(config.data, download=False) if isinstance(config.data, KnownConfig) else config.data
    build_trainer(config, build_data(data))


@pytest.mark.long
@given(SEEDS)
@cases(5)
def test_a_command_line_works_or_says_what_is_wrong(harmless, folder, rng):
    arguments = [*BASE, *(override(rng) for _ in range(rng.choice([1, 1, 2, 3])))]
    if "model.layers=" in arguments[-1] and rng.random() < 0.8:
        arguments = [*BASE[:3], "model=custom", *arguments[4:]]
    with harmless(folder) as told:
        built(arguments)
    event("refused" if told else "works")


@pytest.mark.parametrize("seed", range(settings.default.max_examples))
def test_the_command_ends_with_code_2_and_leaves_nothing(command, harmless, folder, seed):
    rng, told = random.Random(seed), []
    while not told:
        arguments = [*BASE, override(rng)]
        with harmless(folder) as told:
            built(arguments)
    refused(command(*arguments))


RESUMES = ["nowhere", "/dev/null", "/dev/zero", "loop", "pipe", "text", "x" * 5000, "latest"]


@pytest.mark.long
@pytest.mark.parametrize("path", RESUMES, ids=lambda path: path[:20])
@pytest.mark.parametrize("key", ["resume", "task=sync journal"])
def test_paths_that_lead_nowhere_are_told(command, tmp_path, key, path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "text").write_text("hello")
    os.mkfifo(tmp_path / "pipe")
    *choices, last = key.split()
    refused(command(*BASE, *choices, f"{last}={path}"))


@pytest.mark.long
@pytest.mark.parametrize("line", ["model=null", "model.hidden=[1000000000]", "loss=fusd", "model.layers=[[[[{kind: é"])
def test_the_command_as_a_process_ends_with_code_2_without_a_traceback(spawn, tmp_path, line):
    process = spawn(*BASE, line)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert not list(tmp_path.glob("outputs/**/*.*"))


def refused(done):
    assert done.code == 2, done.output
    assert "Traceback" not in done.output
    assert [path for path in done.folder.glob("outputs/**/*") if not path.is_dir()] == []
