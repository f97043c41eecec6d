"""The model: a stack of layers over one flat parameter vector, one flat gradient vector, and named views of them."""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, Field, fields
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.kernels.shared import hide_at, replaceable_zeros, shared_zeros, show_at
from mnist_trainer.layers.layer import Layer, Part
from mnist_trainer.layers.stack import Stack


class Sequential:
    """Layers one after the other, built for inputs of `in_shape` in batches of up to `max_batch`.

    Raises `ConfigError` naming the layer where shapes don't fit. The same `rng` seed gives the same initial weights,
    in float32 those of float64 rounded.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        in_shape: Shape,
        max_batch: int,
        dtype: DTypeLike,
        rng: "np.random.Generator",
    ) -> None:
        self.stack = Stack(layers)
        self.in_shape, self.max_batch, self.dtype = in_shape, max_batch, np.dtype(dtype)
        self.out_shape = self.stack.build(in_shape, max_batch, dtype)
        self.parameters = Parameters(self.stack.parameter_shapes(), self.stack.decayed(), dtype)
        self.stack.bind(self.parameters.views, self.parameters.gradient_views, rng)
        self.arrays: dict[str, Array] = {**self.parameters.views, **self.stack.state()}
        """What the model has learned, by name: its parameters, and the layers' state. To be written in place."""
        self.generators: Mapping[str, np.random.Generator] = self.stack.generators()
        """The layers' random generators, by name."""
        self.steps = [place.step for place in self.stack.places()]
        """What the layers are computed by, those inside others, too."""

    def take_part(self, part: Part) -> None:
        """Tell the layers what the next batches in training are of larger ones."""
        for step in self.steps:
            step.part = part

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the predictions for a batch x (N, *in_shape), in storage valid until the next forward."""
        return self.stack.forward(x, training=training)

    def backward(self, dy: Array, *, need_dx: bool = False) -> Array | None:
        """Overwrite all parameters' gradients, given dy = dL/d predictions; return dL/dx if it is needed."""
        return self.stack.backward(dy, need_dx=need_dx)

    def summary(self) -> str:
        """Return a table of the layers, those inside others below these: index, layer, output shape, parameters."""
        rows = [("", f"input {self.in_shape}", "", ""), *_layer_rows(self.stack, self.out_shape)]
        rows.append(("", "total", "", f"{self.parameters.size:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            f"{index:<{widths[0]}}  {layer:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}".rstrip()
            for index, layer, shape, count in rows
        )


def _layer_rows(stack: Stack, out_shape: Shape, inside: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Return the rows of a stack's layers: where it is, what it is, its output's shape, how many parameters it has."""
    for index, (layer, shape) in enumerate(zip(stack.layers, [*stack.shapes[1:], out_shape], strict=True)):
        place = f"{inside}{index}"
        if isinstance(layer, Stack):
            yield place, type(layer).__name__, str(shape), ""
            yield from _layer_rows(layer, shape, f"{place}.")
        else:
            count = sum(math.prod(s) for s in layer.parameter_shapes().values())
            yield place, _layer_in_short(layer), str(shape), f"{count:,}" if count else ""


def _layer_in_short(layer: Layer) -> str:
    """Write the call that makes a layer, without the hyperparameters that are its class's defaults."""
    if "__dataclass_params__" not in vars(type(layer)):
        return repr(layer)
    told: list[str] = []
    for each in fields(layer):
        value = repr(getattr(layer, each.name))
        if not (each.init and each.repr) or value == repr(_default(each)):
            continue
        told.append(value if each.default is each.default_factory is MISSING else f"{each.name}={value}")
    return f"{type(layer).__name__}({', '.join(told)})"


def _default(hyperparameter: "Field[Any]") -> object:
    made = hyperparameter.default_factory
    return hyperparameter.default if made is MISSING else made()


class Parameters:
    """A model's parameters and gradients, each in one flat vector of `size` entries, and views of them by name.

    Parameters that weight decay applies to come first, so that decay is the slice `[:decayed]`. Never rebind a view
    (`w = ...`): write `w[...] = ...`. The values lie in memory that processes forked from this one share.
    """

    def __init__(self, shapes: Mapping[str, Shape], decayed: Set[str], dtype: DTypeLike) -> None:
        order = sorted(shapes, key=lambda name: name not in decayed)  # stable: the layers' order within each half
        self.size = sum(math.prod(shape) for shape in shapes.values())
        self.decayed = sum(math.prod(shapes[name]) for name in order if name in decayed)
        self.values: Array = shared_zeros(self.size, dtype)
        self.gradients: Array = replaceable_zeros(self.size, dtype)
        self._shown: Array | None = None
        self.views: dict[str, Array] = {}
        self.gradient_views: dict[str, Array] = {}
        start = 0
        for name in order:
            end = start + math.prod(shapes[name])
            self.views[name] = self.values[start:end].reshape(shapes[name])
            self.gradient_views[name] = self.gradients[start:end].reshape(shapes[name])
            start = end

    def show_gradients(self, shared: Array) -> None:
        """Let `gradients`, and the layers' views of them, be the memory of a shared vector, in this process alone.

        Raises `OSError` where the system refuses.
        """
        if self._shown is not shared:
            self._shown = None  # an interrupt may come in between
            show_at(self.gradients, shared)
            self._shown = shared

    def hide_gradients(self) -> None:
        """Let `gradients` have memory of their own again; raises `OSError` where the system refuses."""
        self._shown = None
        hide_at(self.gradients)
