"""Where a network stopped being finite.

A step only looks whether its loss and its gradient are finite. Where that began is looked for once, on the way out:
what the step did is done again on the same batch, and every layer is looked at as it comes, before a later one
overwrites what it returned. No checkpoint is written of a trainer after that.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.layers.stack import LayerPlace
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential
from mnist_trainer.training.wrapping import Wrapped, wrapping

Batch = tuple[Array, Indices]

TRIES = 8
"""How often a training step is done again: dropout's masks are others each time."""


@dataclass(frozen=True)
class Diverged:
    """Where it began: a layer, as error messages name them, or the loss; and what of it is not finite, in words."""

    layer: str
    words: str
    learned: bool = False
    """Whether the update before left it so."""


@np.errstate(all="ignore")
def find_divergence(model: Sequential, loss: Loss, batches: Iterable[Batch], *, training: bool) -> Diverged | None:
    """Return where a forward pass over the batches, in `training` with backward, is first not finite; None if nowhere.

    Parameters come first: an update before left them so.
    """
    for place in model.stack.places():
        if not finite_at(place, model.parameters.views):
            return Diverged(place_name(place), f"the parameters of {place_name(place)} are not finite", learned=True)
    for x, labels in batches:
        for _ in range(TRIES if training else 1):
            found = in_forward(model, loss, x, labels, training=training)
            if found is None and training:
                found = in_backward(model, loss)
            if found is not None:
                return found
    return None


def in_forward(model: Sequential, loss: Loss, x: Array, labels: Indices, *, training: bool) -> Diverged | None:
    """Go forward; return the first layer whose output is not finite, or the loss."""
    seen: list[Diverged] = []

    def look(place: LayerPlace, y: Array) -> None:
        if not np.isfinite(y).all():
            seen.append(Diverged(place_name(place), f"the output of {place_name(place)} is not finite"))

    with watching_layers(model, "forward", look):
        predictions = model.forward(x, training=training)
    if not math.isfinite(loss.forward(predictions, labels)):
        seen.append(Diverged(diverging_loss_name(loss), "all layers' outputs are finite"))
    return seen[0] if seen else None


def in_backward(model: Sequential, loss: Loss) -> Diverged | None:
    """Go backward; return the layer, or the loss, at which the gradient is first not finite on this way."""
    seen: list[Diverged] = []

    def look(place: LayerPlace, dx: Array | None) -> None:
        if dx is not None and not np.isfinite(dx).all():
            seen.append(Diverged(place_name(place), f"dL/dx of {place_name(place)} is not finite"))
        elif not finite_at(place, model.parameters.gradient_views):
            seen.append(Diverged(place_name(place), f"the parameters' gradient of {place_name(place)} is not finite"))

    dy = loss.backward(1.0)
    if not np.isfinite(dy).all():
        return Diverged(diverging_loss_name(loss), f"the gradient of the {diverging_loss_name(loss)} is not finite")
    with watching_layers(model, "backward", look):
        model.backward(dy)
    return seen[0] if seen else None


def place_name(place: LayerPlace) -> str:
    """Name a layer, or the first of several that are computed as one, as error messages do: `layers.2 (Linear)`."""
    return f"{'.'.join(f'layers.{index}' for index in place.path)} ({type(place.layers[0]).__name__})"


def finite_at(place: LayerPlace, arrays: Mapping[str, Array]) -> bool:
    """Whether all of a layer's own, of the model's parameters or their gradients by name, are finite."""
    prefix = "".join(f"{index}." for index in place.path)
    return all(np.isfinite(array).all() for name, array in arrays.items() if name.startswith(prefix))


def watching_layers(
    model: Sequential, method: Literal["forward", "backward"], look: Callable[[LayerPlace, Any], None]
) -> AbstractContextManager[None]:
    """Let `look` see what the layers' method returns within the block, as it comes."""

    def watched(place: LayerPlace, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            returned = function(*args, **kwargs)
            look(place, returned)
            return returned

        return call

    return wrapping([Wrapped(place.step, method, partial(watched, place)) for place in model.stack.places()])


def diverging_loss_name(loss: Loss) -> str:
    """Name a loss as a layer is named."""
    return f"loss ({type(loss).__name__})"
