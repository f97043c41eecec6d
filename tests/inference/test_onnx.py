"""A model as ONNX gives onnxruntime the same answers; what has no export is named."""

import json
import re
import sys

import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.api import compose
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.errors import ConfigError
from mnist_trainer.inference.onnx_export import export, largest_difference, onnx_model
from mnist_trainer.inference.onnx_layers import EXPORTS
from mnist_trainer.layers.reshape import Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.runs.learned import classifier_of_trainer

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")

MODELS = ["linear", "mlp", "lenet5", "cnn", "cnn_small", "resnet_mini", "residual_mlp"]
ALL_KINDS = [
    "{kind: conv2d, filters: 4, kernel: [3, 2], stride: [2, 1], padding: [1, 0]}",
    "{kind: batch_norm}",
    "{kind: leaky_relu, slope: 0.1}",
    "{kind: avg_pool2d, kernel: 3, stride: 2, padding: 1}",
    "{kind: residual, layers: [{kind: conv2d, filters: 4, kernel: 3, padding: 1, bias: false}, {kind: gelu}]}",
    "{kind: layer_norm}",
    "{kind: max_pool2d, kernel: [2, 3], padding: [1, 0]}",
    "{kind: tanh}",
    "{kind: reshape, shape: [-1, 2]}",
    "{kind: flatten}",
    "{kind: dropout}",
    "{kind: linear, units: 12}",
    "{kind: sigmoid}",
    "{kind: linear, units: 12, bias: false}",
    "{kind: softmax}",
    "{kind: linear, units: 10}",
]


@pytest.fixture(scope="module")
def digits():
    return build_data(compose(["data=digits"]).data)


def trained(digits, *choices, updates=3):
    trainer, _ = build_trainer(compose(["data=digits", *choices]), digits)
    for _ in zip(range(updates), trainer.updates(), strict=False):
        pass
    return classifier_of_trainer(trainer, digits)


def answers(path, images):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_model_gives_the_same_answers(digits, tmp_path, model):
    classifier = trained(digits, f"model={model}")
    assert export(classifier, tmp_path / "model.onnx") <= 1e-5
    probabilities, logits = answers(tmp_path / "model.onnx", digits.test_images[..., 0])
    expected = classifier.probabilities(digits.test_images)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(logits, classifier.logits(digits.test_images), atol=1e-3, rtol=1e-4)
    first, second = np.sort(expected, axis=1)[:, :-3:-1].T
    clear = first - second > 1e-5
    np.testing.assert_array_equal(probabilities.argmax(1)[clear], classifier.predict(digits.test_images)[clear])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kind_of_layer_gives_the_same_answers_for_bytes_and_numbers(digits, tmp_path, dtype):
    kinds = re.findall(r"kind: (\w+)", " ".join(ALL_KINDS))
    assert set(kinds) | {"relu", "global_avg_pool"} == set(registry.layers)  # these are in the shipped ones
    classifier = trained(digits, "model=custom", f"model.layers=[{', '.join(ALL_KINDS)}]", f"dtype={dtype}")
    export(classifier, tmp_path / "bytes.onnx")
    export(classifier, tmp_path / "numbers.onnx", "float")
    images = digits.test_images[:50, ..., 0]
    expected = classifier.probabilities(images)
    np.testing.assert_allclose(answers(tmp_path / "bytes.onnx", images)[0], expected, atol=1e-5)
    numbers = (images / 255).astype(np.float32)
    np.testing.assert_allclose(answers(tmp_path / "numbers.onnx", numbers)[0], expected, atol=1e-5)


def test_every_registered_kind_has_an_export():
    assert {cls for cls in registry.layers.values() if not issubclass(cls, Reshape | Residual)} == set(EXPORTS)


def test_the_batch_is_of_any_size_and_the_metadata_tell_what_it_is(digits, tmp_path):
    classifier = trained(digits, "model.hidden=[8]")
    export(classifier, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for size in (1, 3, 300):
        (found,) = session.run(["probabilities"], {"images": digits.test_images[:size, ..., 0]})
        assert found.shape == (size, 10)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["class_names"]) == list(digits.class_names)
    assert told["data"] == "digits"


def test_a_model_that_answers_otherwise_is_not_written(digits, tmp_path, monkeypatch):
    classifier = trained(digits, "model.hidden=[8]")
    session = onnxruntime.InferenceSession(onnx_model(classifier, "uint8").SerializeToString())
    classifier.arrays["1.bias"][...] += 0.5
    with pytest.raises(ConfigError, match=r"probabilities differ by .* it is not written"):
        largest_difference(classifier, session, digits.test_images[:9], "uint8")


PLUGIN = """
from dataclasses import dataclass
from mnist_trainer.api import Layer, register_layer

@register_layer("doubled")
@dataclass(eq=False)
class Doubled(Layer):
    def forward(self, x, *, training):
        return 2 * x

    def backward(self, dy, *, need_dx=True):
        return 2 * dy
"""
OWN = """
    def export_onnx(self, graph, x):
        return graph.node("Mul", [x, graph.constant(2.0)])
"""


@pytest.mark.parametrize("own", ["", OWN])
def test_a_plugin_s_layer_is_named_or_exports_itself(digits, tmp_path, own):
    exec(PLUGIN + own, {"__name__": "notebook"})
    layers = "model.layers=[{kind: flatten}, {kind: residual, layers: [{kind: doubled}]}, {kind: linear, units: 10}]"
    classifier = trained(digits, "model=custom", layers)
    if own:
        assert export(classifier, tmp_path / "model.onnx") <= 1e-5
        return
    with pytest.raises(ConfigError, match=r"layers\.1\.layers\.0 \(Doubled\) has no export: a method export_onnx"):
        export(classifier, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_it_is_named(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="format=onnx needs the extra `onnx`"):
        export(trained(digits, "model.hidden=[8]"), tmp_path / "model.onnx")
