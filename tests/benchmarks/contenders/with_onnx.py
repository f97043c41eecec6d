"""onnxruntime's answers, with this project's export of the network."""

import numpy as np
import onnxruntime
from contenders.cases import Answering, Contender, Training
from contenders.with_numpy import classifier

from mnist_trainer.inference.onnx_export import onnx_model

VERSION = f"onnxruntime {onnxruntime.__version__}"
options = onnxruntime.SessionOptions()


def set_threads(threads: int) -> None:
    """Say how many threads it takes."""
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1


def contenders(case: Training | Answering) -> dict[str, Contender]:
    """Return what answers: it doesn't train."""
    if isinstance(case, Training):
        return {}
    content = onnx_model(classifier(case), "uint8").SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    images = {"images": np.ascontiguousarray(case.images()[..., 0])}
    return {
        "onnxruntime": Contender(
            lambda times: [session.run(["logits"], images)[0].argmax(axis=1) for _ in range(times)]
        )
    }
