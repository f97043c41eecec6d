"""The parts of a training step: its layers' forward and backward, loss and update; and its kernels."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from mnist_trainer.analysis.profile.meter import Part
from mnist_trainer.analysis.profile.products import product_operations
from mnist_trainer.kernels import (
    activations,
    affine,
    convolution,
    elementwise,
    normalization,
    pixels,
    pooled_convolution,
    pooled_winograd,
    pooling,
    random,
    updates,
    winograd,
)
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.stack import Stack
from mnist_trainer.training import worker
from mnist_trainer.training.trainer import Trainer

KERNELS: tuple[ModuleType, ...] = (
    pixels,
    affine,
    activations,
    convolution,
    pooled_convolution,
    winograd,
    pooled_winograd,
    pooling,
    normalization,
    elementwise,
    random,
    updates,
)


@dataclass(frozen=True)
class StepPart:
    """A function that a step calls: what it belongs to, what it does, where it is, and its products' operations."""

    what: str
    does: str
    owner: Any
    attribute: str
    operations: float = 0.0

    @property
    def timed(self) -> Part:
        """The function, under a name of its own."""
        return Part(f"{self.what} {self.does}", self.owner, self.attribute)


@dataclass(frozen=True)
class Place:
    """A layer, or several that are computed as one, in a model: how it is called, and what its product costs."""

    name: str
    layer: Layer
    operations: float  # of its product, in one direction; 0 without one


def places(stack: Stack, batch: int, path: str = "") -> Iterator[Place]:
    """List the layers in the order of the computation, those inside a residual connection before it."""
    for step in stack.steps:
        indices = [index for index, layer in enumerate(stack.layers) if layer is step or is_held(layer, step)]
        first, last = indices[0], indices[-1]
        joined = stack.layers[first : last + 1]
        if isinstance(step, Residual):
            yield from places(step.stack, batch, f"{path}{first}.")
        where = f"{path}{first}" if first == last else f"{path}{first}–{last}"
        words = " + ".join(describe(layer, short=len(joined) > 1) for layer in joined)
        yield Place(f"{where} {words}", step, product_operations(step, stack.shapes[first], batch))


def is_held(layer: Layer, step: Layer) -> bool:
    """Whether a step that joins layers holds this one."""
    return not isinstance(step, Residual) and any(value is layer for value in vars(step).values())


def describe(layer: Layer, *, short: bool = False) -> str:
    """Name a layer with the first of its hyperparameters, as in `Linear 128`, or `short`, by its class alone."""
    name = type(layer).__name__
    values = [getattr(layer, field.name) for field in fields(layer) if field.init and field.repr]
    first = values[0] if values else None
    return f"{name} {first}" if isinstance(first, int | float) and not short else name


def step_parts(trainer: Trainer, found: Sequence[Place]) -> list[StepPart]:
    """List what a step calls, in its order: gather, forward, loss, backward, update.

    A layer that has none with parameters before it is asked for no dL/dx.
    """
    asked, seen = [], False
    for place in found:
        asked.append(seen)
        seen = seen or bool(place.layer.parameter_shapes())
    forward = [StepPart(place.name, "forward", place.layer, "forward", place.operations) for place in found]
    backward = [
        StepPart(place.name, "backward", place.layer, "backward", place.operations * (1 + needed))
        for place, needed in zip(found, asked, strict=True)
    ]
    loss, optimizer = trainer.loss, trainer.optimizer
    return [
        StepPart("batch", "gather", trainer.train, "gather"),
        *forward,
        StepPart(type(loss).__name__, "forward", loss, "forward"),
        StepPart("right predictions", "count", worker, "correct"),
        StepPart(type(loss).__name__, "backward", loss, "backward"),
        *reversed(backward),
        StepPart(type(optimizer).__name__, "update", optimizer, "step"),
    ]


def kernel_parts(trainer: Trainer) -> list[Part]:
    """List the kernels' functions that others call by their module, as in `affine.weights_gradient`.

    And the loss and the optimizer, which have their formulas in themselves.
    """
    kernels = [
        Part(f"{module.__name__.rpartition('.')[2]}.{name}", module, name)
        for module in KERNELS
        for name, function in vars(module).items()
        if inspect.isfunction(function) and not inspect.isgeneratorfunction(function) and name[0] != "_"
        if function.__module__ == module.__name__
    ]
    formulas = [(trainer.loss, "forward"), (trainer.loss, "backward"), (trainer.optimizer, "step")]
    return kernels + [Part(f"{type(owner).__name__}.{name}", owner, name) for owner, name in formulas]
