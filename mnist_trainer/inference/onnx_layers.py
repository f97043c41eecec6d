"""Every kind of layer as ONNX operators.

A plugin's layer has a method `export_onnx(graph, x)` that adds its own and returns the name of the output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mnist_trainer.errors import ConfigError
from mnist_trainer.inference.onnx_graph import OnnxGraph
from mnist_trainer.kernels.arrays import Shape
from mnist_trainer.layers.activations import GELU, LeakyReLU, ReLU, Sigmoid, Tanh
from mnist_trainer.layers.convolution import Conv2d
from mnist_trainer.layers.dropout import Dropout
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.linear import Linear
from mnist_trainer.layers.normalization import BatchNorm, LayerNorm
from mnist_trainer.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from mnist_trainer.layers.reshape import Reshape
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.softmax import Softmax
from mnist_trainer.layers.windows import as_pair

Export = Callable[[OnnxGraph, str, Any], str]


def add_layers(graph: OnnxGraph, x: str, layers: Sequence[Layer], shapes: Sequence[Shape], path: str = "layers") -> str:
    """Add layers one after the other; `shapes` are what each gets, and last what comes out.

    Raises `ConfigError` naming a layer that has no export.
    """
    for index, layer in enumerate(layers):
        here = f"{path}.{index}"
        if isinstance(layer, Residual):
            inner = add_layers(graph, x, layer.layers, [*layer.shapes, shapes[index]], f"{here}.layers")
            x = graph.node("Add", [x, inner])
        elif isinstance(layer, Reshape):
            x = graph.reshape(x, shapes[index + 1])
        elif own := getattr(layer, "export_onnx", None):
            x = own(graph, x)
        elif type(layer) in EXPORTS:
            x = EXPORTS[type(layer)](graph, x, layer)
        else:
            raise ConfigError(
                f"{here} ({type(layer).__name__}) has no export: a method export_onnx(graph, x) gives it one, which "
                "adds its operators to the graph and returns the name of their output"
            )
    return x


def linear(graph: OnnxGraph, x: str, layer: Linear) -> str:
    """Add x W + b."""
    y = graph.node("MatMul", [x, graph.constant(layer.parameters["weights"])])
    return graph.node("Add", [y, graph.constant(layer.parameters["bias"])]) if layer.bias else y


def conv2d(graph: OnnxGraph, x: str, layer: Conv2d) -> str:
    """Add a convolution; its weights are (filters, channels, height, width) there."""
    weights = graph.constant(layer.parameters["weights"].transpose(3, 2, 0, 1))
    bias = [graph.constant(layer.parameters["bias"])] if layer.bias else []
    sides = window_attributes(layer.kernel, layer.stride, layer.padding)
    return graph.channels_first("Conv", [x, weights, *bias], **sides)


def max_pool2d(graph: OnnxGraph, x: str, layer: MaxPool2d) -> str:
    """Add the maximum of each window."""
    return graph.channels_first("MaxPool", [x], **window_attributes(layer.kernel, layer.stride, layer.padding))


def avg_pool2d(graph: OnnxGraph, x: str, layer: AvgPool2d) -> str:
    """Add the mean of each window, its padding counted as zeros."""
    sides = window_attributes(layer.kernel, layer.stride, layer.padding)
    return graph.channels_first("AveragePool", [x], count_include_pad=1, **sides)


def window_attributes(
    kernel: int | tuple[int, int], stride: int | tuple[int, int] | None, padding: int | tuple[int, int]
) -> dict[str, list[int]]:
    """Return the attributes of an operator on windows."""
    return {
        "kernel_shape": list(as_pair(kernel)),
        "strides": list(as_pair(kernel if stride is None else stride)),
        "pads": list(as_pair(padding)) * 2,
    }


def global_avg_pool(graph: OnnxGraph, x: str, _: GlobalAvgPool) -> str:
    """Add the mean of each channel."""
    return graph.node("ReduceMean", [x, graph.constant(np.array([1, 2], np.int64))], keepdims=0)


def batch_norm(graph: OnnxGraph, x: str, layer: BatchNorm) -> str:
    """Add scale · (x − mean) / √(variance + ε) + shift as one multiplication and one addition."""
    state = {name: array.astype(np.float64) for name, array in layer.state().items()}
    gain = layer.parameters["scale"] / np.sqrt(state["running_variance"] + layer.epsilon)
    shift = layer.parameters["shift"] - state["running_mean"] * gain
    return graph.node("Add", [graph.node("Mul", [x, graph.constant(gain)]), graph.constant(shift)])


def layer_norm(graph: OnnxGraph, x: str, layer: LayerNorm) -> str:
    """Add the normalisation of the last axis."""
    scale, shift = (graph.constant(layer.parameters[name]) for name in ("scale", "shift"))
    return graph.node("LayerNormalization", [x, scale, shift], axis=-1, epsilon=layer.epsilon)


EXPORTS: Mapping[type[Layer], Export] = {
    Linear: linear,
    Conv2d: conv2d,
    MaxPool2d: max_pool2d,
    AvgPool2d: avg_pool2d,
    GlobalAvgPool: global_avg_pool,
    BatchNorm: batch_norm,
    LayerNorm: layer_norm,
    ReLU: lambda graph, x, _: graph.node("Relu", [x]),
    LeakyReLU: lambda graph, x, layer: graph.node("LeakyRelu", [x], alpha=layer.slope),
    Tanh: lambda graph, x, _: graph.node("Tanh", [x]),
    Sigmoid: lambda graph, x, _: graph.node("Sigmoid", [x]),
    GELU: lambda graph, x, _: graph.node("Gelu", [x], approximate="tanh"),
    Softmax: lambda graph, x, _: graph.node("Softmax", [x], axis=-1),
    Dropout: lambda graph, x, _: x,
}
"""Those of the shipped kinds that don't change the shape alone, and hold no others."""
