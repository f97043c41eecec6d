"""A model as ONNX: the layers' graph, scaling included, checked with onnxruntime against NumPy. Needs the extra `onnx`.

Images come in as everywhere in the package, (N, height, width), bytes or numbers from 0 to 1; out come `probabilities`
and `logits` (N, C). Inside, images stay (N, H, W, C), and are transposed for the operators that want channels first.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnist_trainer import __version__
from mnist_trainer.errors import ConfigError
from mnist_trainer.files import naming_file, replacing
from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.onnx_graph import OnnxGraph
from mnist_trainer.inference.onnx_layers import add_layers

OPSET = 20
CHECKED = 64  # images
TOLERANCE = 1e-5

Input = Literal["uint8", "float"]


def export(classifier: Classifier, path: Path, kind: Input = "uint8") -> float:
    """Write the model to `path`, once it is found to give the same answers; return the largest difference.

    Raises `ConfigError` naming a layer that has no export, or without the extra, and `OSError`.
    """
    onnx, onnxruntime = _onnx_libraries()
    model = onnx_model(classifier, kind)
    content = model.SerializeToString()
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    difference = largest_difference(classifier, session, images_to_compare(classifier), kind)
    with naming_file(path), replacing(path) as file:
        file.write(content)
    return difference


def onnx_model(classifier: Classifier, kind: Input) -> Any:
    """Return the model as onnx has it."""
    onnx, _ = _onnx_libraries()
    about, shape = classifier.description, classifier.image_shape
    graph = OnnxGraph()
    own = shape if shape[2] > 1 else shape[:2]
    x = graph.node("Cast", ["images"], to=onnx.TensorProto.FLOAT)
    levels = 1 if kind == "uint8" else 255
    x = graph.node("Mul", [x, graph.constant(np.float32(about.scale * levels))])
    x = graph.node("Add", [x, graph.constant(np.float32(about.shift))])
    x = graph.reshape(x, shape)
    x = add_layers(graph, x, classifier.layers, classifier.shapes)
    if about.outputs == "logits":
        logits, probabilities = x, graph.node("Softmax", [x], axis=-1)
    else:
        probabilities, logits = x, graph.node("Log", [x])
    graph.node("Identity", [logits], output="logits")
    graph.node("Identity", [probabilities], output="probabilities")
    helper, number = onnx.helper, onnx.TensorProto.UINT8 if kind == "uint8" else onnx.TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        "mnist_trainer",
        [helper.make_tensor_value_info("images", number, ["N", *own])],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", about.classes])
            for name in ("probabilities", "logits")
        ],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="mnist_trainer")
    model.ir_version, model.producer_version = 10, __version__  # onnxruntime reads no newer one for a while
    told = {
        "class_names": json.dumps(about.class_names, ensure_ascii=False),
        "run": about.name,
        "data": str(about.data.get("name", "")),
        "test_accuracy": str(about.result.get("test_accuracy", "")),
        "input": "bytes from 0 to 255" if kind == "uint8" else "numbers from 0 to 1",
    }
    helper.set_model_props(model, told)
    return model


def largest_difference(classifier: Classifier, session: Any, images: NDArray[np.uint8], kind: Input) -> float:
    """Compare the probabilities of images; raises `ConfigError` if they differ more than rounding makes them."""
    expected = classifier.probabilities(images).astype(np.float64)
    given = images if kind == "uint8" else images.astype(np.float32) / 255
    given = given[..., 0] if classifier.image_shape[2] == 1 else given
    found = session.run(["probabilities"], {"images": given})[0].astype(np.float64)
    difference = float(np.abs(found - expected).max())
    first, second = np.sort(expected, axis=1)[:, -1:-3:-1].T
    clear = first - second > TOLERANCE
    if not difference <= TOLERANCE or (found.argmax(1) != expected.argmax(1))[clear].any():
        raise ConfigError(
            f"the ONNX model's probabilities differ by {difference:.1e} from this one's: it is not written"
        )
    return difference


def images_to_compare(classifier: Classifier) -> NDArray[np.uint8]:
    """Return images to compare with: dark and light, smooth and rough, the same every time."""
    rng = np.random.default_rng(0)
    noise = rng.random((CHECKED, *classifier.image_shape))
    return np.rint(255 * noise ** rng.uniform(0.2, 9, (CHECKED, 1, 1, 1))).astype(np.uint8)


def _onnx_libraries() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ConfigError(f'format=onnx needs the extra `onnx`: pip install "mnist_trainer[onnx]" ({error})') from error
    return onnx, onnxruntime
