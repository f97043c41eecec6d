"""What several loss modes say of one batch at the same parameters: the losses, and both gradients of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.build import build_layers
from mnist_trainer.config import Config, LossConfig
from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels import updates
from mnist_trainer.kernels.arrays import Array, Indices, Shape
from mnist_trainer.model import Sequential
from mnist_trainer.training.streams import random_stream

EXACT_NORM = 1e-15  # of a float32 vector; the squares under a smaller norm underflow


@dataclass(frozen=True)
class DifferenceBound:
    """The largest difference of two exact modes' dL/dz, ‖Δ‖ ≤ relative · ‖g‖ + absolute."""

    relative: float
    absolute: float

    def of(self, norm: float) -> float:
        """Return the bound for a gradient of this norm."""
        return self.relative * norm + self.absolute


BOUNDS = {"float32": DifferenceBound(1e-5, 1e-7), "float64": DifferenceBound(1e-12, 1e-15)}


@dataclass(frozen=True)
class ModeDifference:
    """A mode against the first one, at the same parameters; the norms are Euclidean, of the whole batch."""

    loss: float
    """Its loss minus the first one's."""
    logits: float
    """‖Δ dL/dz‖."""
    logits_norm: float
    """‖dL/dz‖ of the first one."""
    parameters: float
    """‖Δ dL/dθ‖."""
    parameters_norm: float
    """‖dL/dθ‖ of the first one."""
    differs: bool
    """Whether any bit of dL/dz differs."""
    clamped_rows: int
    clamped_rows_of_first: int

    @property
    def relative_logits(self) -> float:
        """‖Δ dL/dz‖ / ‖dL/dz‖."""
        return relative_distance(self.logits, self.logits_norm)

    @property
    def relative_parameters(self) -> float:
        """‖Δ dL/dθ‖ / ‖dL/dθ‖."""
        return relative_distance(self.parameters, self.parameters_norm)


class Copies:
    """A network for each mode, all with the same parameters, so that what differs is the loss and not the training.

    The networks' random streams are the same too: dropout's masks are. A layer may consume in backward what it kept,
    so that one network for all modes would need more of its layers than they promise.
    """

    def __init__(
        self,
        config: Config,
        modes: Sequence[LossConfig],
        in_shape: Shape,
        classes: int,
        max_batch: int,
        dtype: DTypeLike,
    ) -> None:
        self._dtype = np.dtype(dtype)
        self._modes = {loss.name: LossMode(loss, classes, max_batch, dtype) for loss in modes}
        self._bodies = {
            loss.name: Sequential(
                build_layers(config.model, classes),
                in_shape,
                max_batch,
                dtype,
                random_stream(config.seed, "initialization"),
            )
            for loss in modes
        }
        self.parameters = self._bodies[modes[0].name].parameters.values
        self._scratch = np.empty_like(self.parameters)

    def take(self, parameters: Array) -> None:
        """Copy a model's flat parameter vector; raises `ConfigError` if there are some behind the model, in a tail."""
        if parameters.size != self.parameters.size:
            raise ConfigError(
                f"task.modes: there are {parameters.size - self.parameters.size:,} parameters behind the model; "
                "modes can be compared at the same parameters only if all are the model's"
            )
        for body in self._bodies.values():
            np.copyto(body.parameters.values, parameters)

    def differences(self, names: Sequence[str], x: Array, labels: Indices) -> dict[str, ModeDifference]:
        """Return how the named modes but the first differ from it on a batch."""
        x = x.astype(self._dtype, copy=False)
        loss, first = self._ask(names[0], x, labels)
        logits_norm, parameters = updates.vector_norm(first), self._bodies[names[0]].parameters.gradients
        parameters_norm = gradient_norm_of_copy(parameters)
        found = {}
        for name in names[1:]:
            other_loss, other = self._ask(name, x, labels)
            delta = other - first
            own = self._bodies[name].parameters.gradients
            found[name] = ModeDifference(
                loss=other_loss - loss,
                logits=updates.vector_norm(delta),
                logits_norm=logits_norm,
                parameters=gradient_distance(own, parameters, self._scratch),
                parameters_norm=parameters_norm,
                differs=bool(delta.any()),
                clamped_rows=self._modes[name].loss.clamped_rows,
                clamped_rows_of_first=self._modes[names[0]].loss.clamped_rows,
            )
        return found

    def _ask(self, name: str, x: Array, labels: Indices) -> tuple[float, Array]:
        """Return the loss, and dL/dz flat and in float64; the parameters' gradients are in the body."""
        body, mode = self._bodies[name], self._modes[name]
        loss = mode.forward(body.forward(x, training=True), labels)
        gradient = mode.backward()
        flat = gradient.astype(np.float64).ravel()
        body.backward(gradient)  # which may consume it
        return loss, flat


def relative_distance(difference: float, size: float) -> float:
    """Return difference / size; of two zeros 0, and infinity where only the size is 0."""
    if size:
        return difference / size
    return math.inf if difference else 0.0


def gradient_distance(one: Array, other: Array, scratch: Array) -> float:
    """Return ‖one − other‖ of flat vectors."""
    return gradient_norm_of_copy(np.subtract(one, other, out=scratch))


def gradient_norm_of_copy(vector: Array) -> float:
    """Return the Euclidean norm of a flat vector, also where its squares are too small for float32."""
    found = updates.vector_norm(vector)
    return found if found >= EXACT_NORM else updates.vector_norm(vector.astype(np.float64))
