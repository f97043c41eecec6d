"""What a user mistypes: exit code 2, a message that says where and what would fit, and nothing left behind."""

import gzip
import os
import re
from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from mnist_trainer.complaints.origin import Origin
from mnist_trainer.composition import compose, conf_folder, typed
from mnist_trainer.errors import ConfigError
from tests.sampling import every_other

TINY = ("data=digits", "tracking=off", "epochs=1")
LAYERS = "model=custom model.layers="
FLAT = "{kind: flatten}"
RESIDUAL = f"{LAYERS}[{FLAT}, {{kind: residual, layers: [{{kind: relu}}, %s]}}, {{kind: linear, units: 10}}]"
SOFTMAX_AT_END = f"{LAYERS}[{FLAT}, {{kind: linear, units: 10}}, {{kind: softmax}}]"

BAD = {
    "unknown key": ("optimizer.momentm=0.9", ["optimizer.momentm is unknown", "did you mean 'momentum'", "lr"]),
    "unknown top-level key": ("batchsize=1", ["batchsize is unknown", "did you mean 'batch_size'"]),
    "added key": ("+optimizer.foo=1", ["optimizer.foo is unknown", "weight_decay"]),
    "unknown group": ("optimzer=adam", ["optimzer is unknown", "did you mean 'optimizer'"]),
    "unknown choice": ("loss=fusd", ["loss=fusd is unknown", "did you mean 'fused'", "separate"]),
    "unknown experiment": ("experiment=tinny", ["experiment=tinny is unknown", "did you mean 'tiny'"]),
    "unknown task": ("task=trian", ["task=trian is unknown", "did you mean 'train'", "sync"]),
    "unknown task by name": ("task.name=compute", ["task", "compute", "train", "sync"]),
    "wrong type": ("batch_size=ten", ["batch_size=ten", "must be a whole number"]),
    "null": ("epochs=null", ["epochs=null", "must be a whole number"]),
    "not a list": ("model.hidden=8", ["model.hidden=8", "a list of whole numbers, as in model.hidden=[8]"]),
    "not a list of numbers": ("model.hidden=[8,a]", ["model.hidden.1=a", "must be a whole number"]),
    "zero batch": ("batch_size=0", ["batch_size=0", "at least 1"]),
    "zero epochs": ("epochs=0", ["epochs=0", "at least 1"]),
    "negative lr": ("optimizer.lr=-0.1", ["optimizer.lr=-0.1", "above 0"]),
    "lr that is no number": ("optimizer.lr=nan", ["optimizer.lr=nan"]),
    "dropout of 1": ("model.dropout=1.0", ["model.dropout=1.0", "below 1"]),
    "zero units": ("model.hidden=[8,0]", ["model.hidden=[8, 0]", "at least 1"]),
    "lr beyond counting": (f"optimizer.lr=1{'0' * 400}", ["optimizer.lr=1000", "too large"]),
    "seed below 0": ("seed=-1", ["seed=-1", "at least 0"]),
    "unknown dtype": ("dtype=float16", ["dtype='float16'", "float32", "float64"]),
    "unknown monitor": ("trainer.monitor=acc", ["trainer.monitor='acc'", "accuracy", "loss"]),
    "optimizer's own range": ("optimizer.momentum=1", ["optimizer.momentum=1.0", "below 1"]),
    "optimizer's own choices": ("optimizer.decay=l1", ["optimizer.decay='l1'", "l2", "decoupled"]),
    "loss's own range": ("loss.label_smoothing=1", ["loss.label_smoothing=1.0", "below 1"]),
    "schedule's own range": ("schedule.warmup=2", ["schedule.warmup=2.0", "below 1"]),
    "unknown activation": ("model.activation=rellu", ["model.activation", "did you mean 'relu'", "gelu"]),
    "unknown kind": (f"{LAYERS}[{{kind: lnear}}]", ["model.layers.0", "'lnear'", "did you mean 'linear'"]),
    "no kind": (f"{LAYERS}[relu]", ["model.layers.0", "'relu'", "{kind: relu}"]),
    "unknown parameter": (f"{LAYERS}[{FLAT}, {{kind: dropout, p: 0.1}}]", ["model.layers.1 (dropout)", "p", "rate"]),
    "mistyped parameter": (f"{LAYERS}[{{kind: linear, units: big}}]", ["model.layers.0 (linear)", "a whole number"]),
    "missing parameter": (f"{LAYERS}[{{kind: linear}}]", ["model.layers.0 (linear)", "units is missing"]),
    "parameter's range": (f"{LAYERS}[{FLAT}, {{kind: linear, units: -3}}]", ["model.layers.1 (linear)", "at least 1"]),
    "no layers": (f"{LAYERS}[]", ["model.layers is empty"]),
    "linear on images": (
        f"{LAYERS}[{{kind: linear, units: 10}}]",
        ["model.layers.0 (Linear)", "(28, 28, 1)", "flatten"],
    ),
    "residual's shape": (RESIDUAL % "{kind: linear, units: 5}", ["model.layers.1 (Residual)", "(784,)", "(5,)"]),
    "nested kind": (RESIDUAL % "{kind: rel}", ["model.layers.1.layers.1", "did you mean 'relu'"]),
    "nested parameter": (RESIDUAL % "{kind: linear, unit: 5}", ["model.layers.1.layers.1 (linear)", "'units'"]),
    "nested range": (RESIDUAL % "{kind: dropout, rate: 1.0}", ["model.layers.1.layers.1 (dropout)", "below 1"]),
    "nested shape": (RESIDUAL % "{kind: reshape, shape: [5, 5]}", ["model.layers.1.layers.1 (Reshape)", "784"]),
    "too few outputs": (f"{LAYERS}[{FLAT}, {{kind: linear, units: 7}}]", ["(7,)", "10 classes", "units: 10"]),
    "softmax at the end, fused": (f"{SOFTMAX_AT_END} loss=fused", ["model.layers.2", "softmax", "leave it out"]),
    "softmax at the end, separate": (f"{SOFTMAX_AT_END} loss=separate", ["model.layers.2", "softmax", "leave it out"]),
    "too much validation": ("data.validation_size=1437", ["data.validation_size=1437", "1,436"]),
    "missing root": ("data=mnist data.root=nowhere", ["nowhere", "data.root"]),
    "missing root of digits": ("data.root=nowhere", ["nowhere/digits.csv.gz"]),
    "bad store": ("tracking=mlflow tracking.uri=ftp://x", ["tracking.uri=ftp://x", "sqlite:///<file>"]),
    "file store": ("tracking=mlflow tracking.uri=file:///tmp/x", ["tracking.uri=file:///tmp/x", "sqlite:///<file>"]),
    "missing plugin": ("plugins=[no_such_module]", ["plugins", "'no_such_module'", "working directory"]),
    "unknown plugin's optimizer": ("optimizer=custom optimizer.name=mine", ["optimizer.name", "'mine'", "adam"]),
    "missing journal": ("task=sync journal=missing", ["journal=missing", "no such file"]),
    "no choice": ("model=null", ["model=null", "a choice is a name", "resnet_mini"]),
    "giant units": ("model.hidden=[1000000000]", ["795,000,000,010 parameters", "GB at least", "fewer units"]),
    "units beyond counting": (f"{LAYERS}[{FLAT}, {{kind: linear, units: 99999999999999999999}}]", ["memory"]),
    "no list of plugins": ("plugins=${model}", ["plugins=", "a list of words"]),
    "an endless choice": (f"model={'x' * 5000}", ["File name too long"]),
    "deep brackets": (f"seed={'[' * 300}", ["seed=[[[", "more than 24 deep"]),
    "unquoted signs": ("name=ü", ["name=ü can't be read", "quote"]),
    "a pipe for a run": ("resume=/dev/zero", ["resume=/dev/zero", "no run in there"]),
    "a folder for a name": ("name=a/b", ["name='a/b'", "letters"]),
    "an option that isn't one": ("--mulitrun", ["--mulitrun"]),
}


def refused(done, wanted):
    assert done.code == 2
    assert "Traceback" not in done.output
    assert [part for part in wanted if part not in done.output] == []
    assert [path for path in done.folder.rglob("outputs/**/*") if not path.is_dir()] == []
    assert done.folders == []


def split(line):
    """Split at the spaces before a `key=` or option, as a shell does where values are quoted."""
    return re.split(r" (?=[\w.+]+=|--)", line)


@pytest.mark.parametrize(("line", "wanted"), every_other(BAD))
def test_a_mistake_is_told_where_it_is_with_what_would_fit_and_leaves_no_folder(command, line, wanted):
    refused(command(*TINY, *split(line)), wanted)


def test_several_mistakes_are_told_at_once(command):
    line = "batch_size=0 optimizer.momentum=1 model.dropout=-1 loss.label_smoothing=1 trainer.log_every=0 schedule=step"
    wanted = ["batch_size=0", "optimizer.momentum", "model.dropout", "loss.label_smoothing", "trainer.log_every"]
    refused(command(*TINY, *split(line), "schedule.gamma=0"), [*wanted, "schedule.gamma"])


def test_mistakes_in_several_layers_are_told_at_once(command):
    layers = f"[{FLAT}, {{kind: linear}}, {{kind: rel}}, {{kind: residual, layers: [{{kind: linear, units: 0}}]}}]"
    wanted = ["model.layers.1 (linear)", "model.layers.2:", "model.layers.3.layers.0 (linear)"]
    refused(command(*TINY, "model=custom", f"model.layers={layers}"), wanted)


def test_a_choice_of_wrong_value_is_not_called_a_wrong_type(command):
    done = command(*TINY, "optimizer.decay=l1")
    assert "type" not in done.output


@pytest.mark.parametrize(
    "line",
    [
        "model=residual_mlp model.layers.1.bias=false",
        "loss=custom loss.name=fused loss.parameters.label_smoothing=0.1",
        "optimizer=custom optimizer.name=sgd optimizer.parameters.momentum=0.5",
    ],
)
def test_a_parameter_that_its_entry_does_not_name_yet_is_told_with_the_plus_that_adds_it(command, line):
    refused(command(*TINY, *split(line)), [f"+{line.split()[-1].partition('=')[0]}"])


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("1 / 0", "division by zero"), ("1 / (", "never closed"), ("import no_such_module", "'no_such_module'")],
)
def test_a_plugin_that_fails_on_import_is_told_by_name_with_the_reason(command, tmp_path, source, wanted):
    (tmp_path / "broken_plugin.py").write_text(source + "\n")
    refused(command(*TINY, "plugins=[broken_plugin]"), ["plugins", "broken_plugin", wanted])


@pytest.mark.parametrize("where", ["outputs=file/outputs", "hydra.run.dir=file/run"])
def test_an_outputs_folder_that_cannot_be_made_is_told_without_a_traceback(command, tmp_path, where):
    (tmp_path / "file").write_text("")
    refused(command(*TINY, where), ["file/"])


def test_data_come_from_the_named_folder_or_not_at_all(command, tmp_path):
    (tmp_path / "data").mkdir()
    for data in ("auto", "mnist"):
        refused(command(*TINY, f"data={data}", "data.root=data"), ["train-images-idx3-ubyte", "data.root=data"])


def test_a_truncated_file_of_the_named_folder_is_told_by_name(command, tmp_path):
    folder = Path(os.environ.get("MNIST_ROOT") or Path(__file__).parents[2] / "shared" / "mnist")
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    content = gzip.decompress(labels.read_bytes()) if labels.exists() else bytes.fromhex("0000080100002710") + bytes(9)
    (tmp_path / "labels").write_bytes(content[:1000])
    images = bytes.fromhex("00000803000000020000000200000002") + bytes(8)
    (tmp_path / "images").write_bytes(images)
    files = [f"data.{part}_{what}={what}" for part in ("train", "test") for what in ("images", "labels")]
    wanted = ["labels: truncated", "10,000"]
    refused(command(*TINY, "data=idx", f"data.root={tmp_path}", *files), wanted)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"):
        (tmp_path / name).write_bytes(images if "images" in name else content[:1000])
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(content[:1000])
    refused(command(*TINY, "data=mnist", f"data.root={tmp_path}"), ["ubyte", "data.root"])


@pytest.mark.parametrize("override", ["loss=custom", "loss=fusd", "epochs=many", "batchsize=32", "data=idx"])
def test_compose_tells_every_mistake_as_a_config_error(override):
    with pytest.raises(ConfigError) as error:
        compose([override])
    assert override.partition("=")[0] in str(error.value)


@pytest.mark.parametrize(
    ("override", "key"), [("+unknown.key=1", "unknown"), ("+optimizer.momentm=1", "optimizer.momentm"), ("+a=1", "a")]
)
def test_a_plus_does_not_smuggle_in_keys_that_nothing_reads(override, key):
    with pytest.raises(ConfigError, match=rf"^{key} is unknown"):
        compose([override])


@pytest.mark.parametrize("key", ["epochs", "data.name", "trainer.log_every"])
def test_a_key_left_without_a_value_is_told_by_its_name(key):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        composed = hydra_compose("config", [f"{key}=???"])
    with pytest.raises(ConfigError, match=f"^{key} is missing"):
        typed(composed, Origin([], {}))
