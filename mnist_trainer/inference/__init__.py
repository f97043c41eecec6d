"""A trained model without its trainer: load it, let it answer, bring one's own pictures to it, take it elsewhere.

In goes a `model.npz`, which a run writes at its end, and images; out come classes, probabilities and scores. It needs
NumPy alone: no configuration, no tracking. In reading order: `model_file` (what the file says), `loading`,
`classifier`, `images` (arrays, checked), `scores`, `answers`. Of a user's own pictures: `chosen`, which are meant;
`pictures`, read; `preparation`, made like MNIST's; `predictions`, what is said of them. For MLflow: `served`, what it
loads and asks, and `plugin_api`, what a plugin finds there. For other programs: `onnx_export`, `onnx_layers`,
`onnx_graph`.

    from mnist_trainer import inference

    classifier = inference.load("outputs/2026-11-25/12-00-00-mlp")
    print(classifier.predict(images))
"""

from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.loading import load
from mnist_trainer.inference.scores import Scores

__all__ = ["Classifier", "Scores", "load"]
