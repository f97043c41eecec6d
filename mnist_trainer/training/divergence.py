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
class Found:
    """Where it began: a layer, as error messages name them, or the loss; and what of it is not finite, in words."""

    layer: str
    words: str
    learned: bool = False
    """Whether the update before left it so."""


@np.errstate(all="ignore")
def find(model: Sequential, loss: Loss, batches: Iterable[Batch], *, training: bool) -> Found | None:
    """Return where a forward pass over the batches, in `training` with backward, is first not finite; None if nowhere.

    Parameters come first: an update before left them so.
    """
    for place in model.stack.places():
        if not finite_at(place, model.parameters.views):
            return Found(name_of(place), f"the parameters of {name_of(place)} are not finite", learned=True)
    for x, labels in batches:
        for _ in range(TRIES if training else 1):
            found = in_forward(model, loss, x, labels, training=training)
            if found is None and training:
                found = in_backward(model, loss)
            if found is not None:
                return found
    return None


def in_forward(model: Sequential, loss: Loss, x: Array, labels: Indices, *, training: bool) -> Found | None:
    """Go forward; return the first layer whose output is not finite, or the loss."""
    seen: list[Found] = []

    def look(place: LayerPlace, y: Array) -> None:
        if not np.isfinite(y).all():
            seen.append(Found(name_of(place), f"the output of {name_of(place)} is not finite"))

    with watching(model, "forward", look):
        predictions = model.forward(x, training=training)
    if not math.isfinite(loss.forward(predictions, labels)):
        seen.append(Found(name_of_loss(loss), "all layers' outputs are finite"))
    return seen[0] if seen else None


def in_backward(model: Sequential, loss: Loss) -> Found | None:
    """Go backward; return the layer, or the loss, at which the gradient is first not finite on this way."""
    seen: list[Found] = []

    def look(place: LayerPlace, dx: Array | None) -> None:
        if dx is not None and not np.isfinite(dx).all():
            seen.append(Found(name_of(place), f"dL/dx of {name_of(place)} is not finite"))
        elif not finite_at(place, model.parameters.gradient_views):
            seen.append(Found(name_of(place), f"the parameters' gradient of {name_of(place)} is not finite"))

    dy = loss.backward(1.0)
    if not np.isfinite(dy).all():
        return Found(name_of_loss(loss), f"the gradient of the {name_of_loss(loss)} is not finite")
    with watching(model, "backward", look):
        model.backward(dy)
    return seen[0] if seen else None


def name_of(place: LayerPlace) -> str:
    """Name a layer, or the first of several that are computed as one, as error messages do: `layers.2 (Linear)`."""
    return f"{'.'.join(f'layers.{index}' for index in place.path)} ({type(place.layers[0]).__name__})"


def finite_at(place: LayerPlace, arrays: Mapping[str, Array]) -> bool:
    """Whether all of a layer's own, of the model's parameters or their gradients by name, are finite."""
    prefix = "".join(f"{index}." for index in place.path)
    return all(np.isfinite(array).all() for name, array in arrays.items() if name.startswith(prefix))


def watching(
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


def name_of_loss(loss: Loss) -> str:
    """Name a loss as a layer is named."""
    return f"loss ({type(loss).__name__})"
