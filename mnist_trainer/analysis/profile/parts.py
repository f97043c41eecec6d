"""The parts of a training step: its layers' forward and backward, loss and update; and its kernels."""

import inspect
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from mnist_trainer.analysis.profile.meter import TimedPart
from mnist_trainer.kernels import (
    activations,
    affine,
    averages,
    channels,
    convolution,
    elementwise,
    normalization,
    pixels,
    pooled_convolution,
    pooled_patches,
    pooled_winograd,
    pooling,
    resampling,
    sums,
    updates,
    winograd,
)
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.stack import LayerPlace
from mnist_trainer.training import worker
from mnist_trainer.training.trainer import Trainer

KERNELS: tuple[ModuleType, ...] = (
    pixels,
    resampling,
    affine,
    activations,
    convolution,
    pooled_convolution,
    pooled_patches,
    winograd,
    pooled_winograd,
    pooling,
    normalization,
    sums,
    channels,
    elementwise,
    updates,
    averages,
)


@dataclass(frozen=True)
class StepPart:
    """A function that a step calls: what it belongs to, what it does, where it is, and its products' operations."""

    what: str
    does: str
    owner: Any
    attribute: str
    operations: int = 0

    @property
    def timed(self) -> TimedPart:
        """The function, under a name of its own."""
        return TimedPart(f"{self.what} {self.does}", self.owner, self.attribute)


def profiled_part_title(place: LayerPlace) -> str:
    """Say which layers are at a place: `3.0 Tanh`; of those computed as one, `0–2 Conv2d + ReLU + MaxPool2d`."""
    last = f"–{place.path[-1] + len(place.layers) - 1}" if len(place.layers) > 1 else ""
    words = " + ".join(profiled_layer_name(layer, short=bool(last)) for layer in place.layers)
    return f"{'.'.join(map(str, place.path))}{last} {words}"


def profiled_layer_name(layer: Layer, *, short: bool = False) -> str:
    """Name a layer with the first of its hyperparameters, as in `Linear 128`, or `short`, by its class alone."""
    name = type(layer).__name__
    values = [getattr(layer, field.name) for field in fields(layer) if field.init and field.repr]
    first = values[0] if values else None
    return f"{name} {first}" if isinstance(first, int | float) and not short else name


def step_parts(trainer: Trainer, batch: int) -> list[StepPart]:
    """List what a step calls, in its order: gather, forward, loss, backward, update.

    A layer that has none with parameters before it is asked for no dL/dx.
    """
    forward, backward, asked = [], [], False
    for place in trainer.model.stack.places():
        operations = batch * place.step.operations()
        forward.append(StepPart(profiled_part_title(place), "forward", place.step, "forward", operations))
        backward.append(
            StepPart(profiled_part_title(place), "backward", place.step, "backward", operations * (1 + asked))
        )
        asked = asked or bool(place.step.parameter_shapes())
    loss, optimizer, augmenter = trainer.loss, trainer.optimizer, trainer.train.augmenter
    return [
        StepPart("batch", "gather", trainer.train, "gather"),
        *([] if augmenter is None else [StepPart("batch", "augment", augmenter, "apply")]),
        *forward,
        StepPart(type(loss).__name__, "forward", loss, "forward"),
        StepPart("right predictions", "count", worker, "count_right"),
        StepPart(type(loss).__name__, "backward", loss, "backward"),
        *reversed(backward),
        StepPart(type(optimizer).__name__, "update", optimizer, "step"),
        *([] if trainer.average is None else [StepPart("weights", "average", trainer.average, "follow")]),
    ]


def kernel_parts(trainer: Trainer) -> list[TimedPart]:
    """List the kernels' functions, as `affine.weights_gradient`, also where one kernel has imported another's.

    And the loss and the optimizer, which have their formulas in themselves.
    """
    modules = {module.__name__ for module in KERNELS}
    kernels = [
        TimedPart(f"{function.__module__.rpartition('.')[2]}.{name}", module, name)
        for module in KERNELS
        for name, function in vars(module).items()
        if inspect.isfunction(function) and not inspect.isgeneratorfunction(function) and name[0] != "_"
        if function.__module__ in modules
    ]
    formulas = [(trainer.loss, "forward"), (trainer.loss, "backward"), (trainer.optimizer, "step")]
    return kernels + [TimedPart(f"{type(owner).__name__}.{name}", owner, name) for owner, name in formulas]
