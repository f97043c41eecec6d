"""Layers one after the other."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.layers.fused import ConvReLUPool, fused
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.winograd import WinogradReLUPool


@dataclass(eq=False)
class Stack(Layer):
    """y = f_k(… f_1(x)): forward through the layers, backward in the reverse order.

    Grants a layer to overwrite its input where nothing else reads it, and computes no gradient before the first
    layer that has parameters unless it is asked for. A parameter is named `index.name`, as in `1.weights`.
    """

    layers: Sequence[Layer]

    _steps: list[Layer] = field(default_factory=list, init=False, repr=False)  # the layers, or several as one
    _first_trainable: int = field(default=0, init=False, repr=False)
    _in_shapes: list[Shape] = field(default_factory=list, init=False, repr=False)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Build the layers in order; a `ConfigError` names the layer's index and kind."""
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ConfigError(
                "layers hold the same object twice: each needs its own, for what backward has to remember"
            )
        shape, self._in_shapes = in_shape, []
        writable = False  # the stack's own input belongs to someone else
        for index, layer in enumerate(self.layers):
            layer.overwrites_input = writable
            layer.followed_by = next((after.suits for after in self.layers[index + 1 :] if after.suits), "lecun")
            self._in_shapes.append(shape)
            with layer_named(index, layer):
                shape = layer.build(shape, max_batch, dtype)
            writable = not layer.reads_output and (writable or not layer.keeps_storage)
        self._steps = fused(self.layers, self._in_shapes)
        for step in self._steps:
            if isinstance(step, ConvReLUPool | WinogradReLUPool):
                step.build(self._in_shapes[self.layers.index(step.conv)], max_batch, dtype)
        trainable = (index for index, step in enumerate(self._steps) if step.parameter_shapes())
        self._first_trainable = next(trainable, len(self._steps))
        return shape

    @property
    def shapes(self) -> list[Shape]:
        """The shape that each layer gets, without the batch axis."""
        return list(self._in_shapes)

    @property
    def steps(self) -> list[Layer]:
        """What forward calls in order: the layers, those that compute quicker together as one."""
        return list(self._steps)

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of all layers' parameters."""
        return {
            f"{index}.{name}": shape
            for index, layer in enumerate(self.layers)
            for name, shape in layer.parameter_shapes().items()
        }

    def decayed(self) -> Set[str]:
        """Tell which of them weight decay applies to."""
        return {f"{index}.{name}" for index, layer in enumerate(self.layers) for name in layer.decayed()}

    def state(self) -> Mapping[str, Array]:
        """Give all layers' state."""
        return {
            f"{index}.{name}": array for index, layer in enumerate(self.layers) for name, array in layer.state().items()
        }

    def generators(self) -> Mapping[str, np.random.Generator]:
        """Give all layers' random generators."""
        return {
            f"{index}.{name}": generator
            for index, layer in enumerate(self.layers)
            for name, generator in layer.generators().items()
        }

    def is_samplewise(self) -> bool:
        """Tell whether all layers are."""
        return all(layer.is_samplewise() for layer in self.layers)

    def take_part(self, before: int, total: int) -> None:
        """Tell all layers."""
        for layer in self.layers:
            layer.take_part(before, total)

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: np.random.Generator) -> None:
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
