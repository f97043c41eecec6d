"""Layers one after the other."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.layers.fused import fused_layers
from mnist_trainer.layers.layer import Layer

T = TypeVar("T")


@dataclass(frozen=True)
class LayerPlace:
    """A step of a stack's computation, and where it is: a layer, or neighbours that compute quicker together."""

    path: Sequence[int]
    """The index of the first of its layers, after those of the layers that hold it."""
    layers: Sequence[Layer]
    in_shapes: Sequence[Shape]
    """What each of them gets."""
    step: Layer
    """The layer itself, or what computes several."""


@dataclass(eq=False)
class Stack(Layer):
    """y = f_k(… f_1(x)): forward through the layers, backward in the reverse order.

    Grants a layer to overwrite its input where nothing else reads it, and computes no gradient before the first
    layer that has parameters unless it is asked for. A parameter is named `index.name`, as in `1.weights`.
    """

    layers: Sequence[Layer]

    samplewise: ClassVar[bool] = True

    _places: list[LayerPlace] = field(default_factory=list, init=False, repr=False)
    _steps: list[Layer] = field(default_factory=list, init=False, repr=False)  # what forward calls in order
    _first_trainable: int = field(default=0, init=False, repr=False)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Build the layers in order; a `ConfigError` names the layer's index and kind."""
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ConfigError(
                "layers hold the same object twice: each needs its own, for what backward has to remember"
            )
        shape, shapes = in_shape, []
        writable = False  # the stack's own input belongs to someone else
        for index, layer in enumerate(self.layers):
            layer.overwrites_input = writable
            layer.followed_by = next((after.suits for after in self.layers[index + 1 :] if after.suits), "lecun")
            shapes.append(shape)
            with layer_named(index, layer):
                shape = layer.build(shape, max_batch, dtype)
            writable = not layer.reads_output and (writable or not layer.keeps_storage)
        self._places = list(self._joined(shapes))
        self._steps = [place.step for place in self._places]
        for place in self._places:
            if len(place.layers) > 1:
                place.step.build(place.in_shapes[0], max_batch, dtype)
        trainable = (index for index, step in enumerate(self._steps) if step.parameter_shapes())
        self._first_trainable = next(trainable, len(self._steps))
        return shape

    def _joined(self, shapes: Sequence[Shape]) -> Iterator[LayerPlace]:
        index = 0
        while index < len(self.layers):
            together = fused_layers(self.layers[index:])
            end = index + (len(together.layers) if together else 1)
            yield LayerPlace((index,), self.layers[index:end], shapes[index:end], together or self.layers[index])
            index = end

    def places(self) -> Iterator[LayerPlace]:
        """List the steps in the order of the computation, those inside a residual connection before it."""
        for place in self._places:
            if isinstance(place.step, Stack):
                for inner in place.step.places():
                    yield replace(inner, path=(*place.path, *inner.path))
            yield place

    @property
    def shapes(self) -> list[Shape]:
        """The shape that each layer gets, without the batch axis."""
        return [shape for place in self._places for shape in place.in_shapes]

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of all layers' parameters."""
        return names_of_layers(layer.parameter_shapes() for layer in self.layers)

    def decayed(self) -> Set[str]:
        """Tell which of them weight decay applies to."""
        return names_of_layers(dict.fromkeys(layer.decayed()) for layer in self.layers).keys()

    def state(self) -> Mapping[str, Array]:
        """Give all layers' state."""
        return names_of_layers(layer.state() for layer in self.layers)

    def generators(self) -> Mapping[str, "np.random.Generator"]:
        """Give all layers' random generators."""
        return names_of_layers(layer.generators() for layer in self.layers)

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: "np.random.Generator") -> None:
        """Bind the layers in order."""
        for index, layer in enumerate(self.layers):
            names = layer.parameter_shapes()
            layer.bind(
                {name: parameters[f"{index}.{name}"] for name in names},
                {name: gradients[f"{index}.{name}"] for name in names},
                rng,
            )

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return the last layer's output."""
        for step in self._steps:
            x = step.forward(x, training=training)
        return x

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Set all parameters' gradients; return dL/dx if it is needed."""
        gradient: Array | None = dy
        last = 0 if need_dx else self._first_trainable
        for index in range(len(self._steps) - 1, last - 1, -1):
            assert gradient is not None
            gradient = self._steps[index].backward(gradient, need_dx=need_dx or index > last)
        return gradient if need_dx else None


def names_of_layers(of_layers: Iterator[Mapping[str, T]]) -> dict[str, T]:
    """Bring what layers have by name together, as `index.name`."""
    return {f"{index}.{name}": value for index, those in enumerate(of_layers) for name, value in those.items()}


@contextmanager
def layer_named(index: int, layer: Layer) -> Iterator[None]:
    """Let a `ConfigError` say which layer it is about: `layers.2 (Linear): …`, nested ones with their path."""
    try:
        yield
    except ConfigError as error:
        path, kind = f"layers.{index}", type(layer).__name__
        raise ConfigError(
            *(
                f"{path}.{problem}" if problem.startswith("layers.") else f"{path} ({kind}): {problem}"
                for problem in error.problems
            )
        ) from None
