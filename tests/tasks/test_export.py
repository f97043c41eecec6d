"""task=export: model.onnx in the run's folder."""

import numpy as np
import pytest

from mnist_trainer.inference import load

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def test_it_is_written_beside_the_model(trained, command):
    done = command("task=export", "checkpoint=latest", "format=onnx")
    assert done.code == 0, done.output
    assert "model.onnx" in done.output
    session = onnxruntime.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    (found,) = session.run(["probabilities"], {"images": images})
    np.testing.assert_allclose(found, load(trained).probabilities(images), atol=1e-5)
    again = command("task=export", f"checkpoint={trained}/model.npz", "format=onnx", "task.input=float")
    assert again.code == 0
    session = onnxruntime.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(float)"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["format=onnx"], "checkpoint is missing: task=export checkpoint=RUN"),
        (["checkpoint=RUN"], "format is missing: task=export checkpoint=RUN format=onnx"),
        (["checkpoint=RUN", "format=pmml"], "format='pmml' is unknown (one of: onnx)"),
        (["checkpoint=RUN", "format=onnx", "task.input=int8"], "input='int8' is unknown"),
        (["checkpoint=nowhere", "format=onnx"], "nowhere: no such file or folder"),
        (["checkpoint=RUN", "format=onnx", "images=[a.png]"], "images=['a.png']: task=export takes none"),
    ],
)
def test_what_can_t_be_exported_is_told(trained, command, arguments, said):
    done = command("task=export", *(each.replace("RUN", str(trained)) for each in arguments))
    assert done.code == 2
    assert said in done.output
    assert not (trained / "model.onnx").exists()
