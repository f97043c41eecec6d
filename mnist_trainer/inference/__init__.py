"""A trained model without its trainer: load it, let it answer, bring one's own pictures to it, take it elsewhere.

In goes a `model.npz`, which a run writes at its end, and images; out come classes, probabilities and scores. It needs
NumPy alone: no configuration, no tracking. In reading order: `model_file` (its description), `loading`, `classifier`,
`images` (arrays and labels, checked), `scores` (with shares and calibration), `answers`, `views` (of each image
several, whose answers are averaged). Of a user's own pictures: `chosen`, the files that are meant; `pictures`, read as
grey or coloured pixels; `preparation`, made like MNIST's: the ink told from the paper, its pieces, dust and strokes,
scaled and centred as grey planes; `predictions`, what is said of them. For MLflow: `served`, what it loads and asks,
and `plugin_api`, what a plugin finds there. For other programs, ONNX: `onnx_export`, `onnx_layers`, an operator a
layer, and `onnx_graph`.

    from mnist_trainer import inference

    classifier = inference.load("outputs/2026-11-25/12-00-00-mlp")
    print(classifier.predict(images))
"""

from mnist_trainer.inference.classifier import Classifier
from mnist_trainer.inference.loading import load
from mnist_trainer.inference.scores import Scores

__all__ = ["Classifier", "Scores", "load"]
