"""Where a network stopped being finite, and the error that says so.

A step only looks whether its loss and its gradient are finite. Where that began is looked for once, on the way out:
what the step did is done again on the same batch, and every layer is looked at as it comes, before a later one
overwrites what it returned. No checkpoint is written of a trainer after that.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mnist_trainer.errors import DivergedError
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.layers.fused import ConvReLUPool
from mnist_trainer.layers.layer import Layer
from mnist_trainer.layers.residual import Residual
from mnist_trainer.layers.stack import Stack
from mnist_trainer.layers.winograd import WinogradReLUPool
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential

if TYPE_CHECKING:
    from mnist_trainer.training.trainer import Trainer

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


def diverged(
    trainer: "Trainer", what: str, value: float, batches: Iterable[Batch] = (), *, training: bool = False
) -> DivergedError:
    """Return the error that says at which step, and where, a trainer's numbers stopped being finite.

    It was seen at `what`, which is `value`: at these `batches`, in `training` those of the step at hand.
    """
    found = find(trainer.model, trainer.loss, batches, training=training) or Found("unknown", "no layer shows it again")
    step = trainer.step + (training and not found.learned)
    rate = trainer.rate(max(step - 1, 0))
    advice = "try a smaller optimizer.lr" + (", or trainer.clip_norm=1" if trainer.clip_norm is None else "")
    return DivergedError(
        f"diverged at step {step}: {what} is {value}: {found.words}; the loss mode is {trainer.loss_name}, the "
        f"learning rate {rate:g}; {advice}",
        {"step": step, "layer": found.layer, "learning_rate": rate, "loss": trainer.loss_name},
    )


@np.errstate(all="ignore")
def find(model: Sequential, loss: Loss, batches: Iterable[Batch], *, training: bool) -> Found | None:
    """Return where a forward pass over the batches, in `training` with backward, is first not finite; None if nowhere.

    Parameters come first: an update before left them so.
    """
    places = list(all_places(model.stack))
    for place in places:
        if not place.is_finite(model.parameters.views):
            return Found(place.name, f"the parameters of {place.name} are not finite", learned=True)
    for x, labels in batches:
        for _ in range(TRIES if training else 1):
            found = in_forward(model, loss, places, x, labels, training=training)
            if found is None and training:
                found = in_backward(model, loss, places)
            if found is not None:
                return found
    return None


def in_forward(
    model: Sequential, loss: Loss, places: Sequence["Place"], x: Array, labels: Indices, *, training: bool
) -> Found | None:
    """Go forward; return the first layer whose output is not finite, or the loss."""
    seen: list[Found] = []

    def look(place: Place, y: Array) -> None:
        if not np.isfinite(y).all():
            seen.append(Found(place.name, f"the output of {place.name} is not finite"))

    with watching(places, "forward", look):
        predictions = model.forward(x, training=training)
    if not math.isfinite(loss.forward(predictions, labels)):
        seen.append(Found(name_of(loss), "all layers' outputs are finite"))
    return seen[0] if seen else None


def in_backward(model: Sequential, loss: Loss, places: Sequence["Place"]) -> Found | None:
    """Go backward; return the layer, or the loss, at which the gradient is first not finite on this way."""
    seen: list[Found] = []

    def look(place: Place, dx: Array | None) -> None:
        if dx is not None and not np.isfinite(dx).all():
            seen.append(Found(place.name, f"dL/dx of {place.name} is not finite"))
        elif not place.is_finite(model.parameters.gradient_views):
            seen.append(Found(place.name, f"the parameters' gradient of {place.name} is not finite"))

    dy = loss.backward(1.0)
    if not np.isfinite(dy).all():
        return Found(name_of(loss), f"the gradient of the {name_of(loss)} is not finite")
    with watching(places, "backward", look):
        model.backward(dy)
    return seen[0] if seen else None


@dataclass(frozen=True)
class Place:
    """A layer in a model, or several that are computed as one, with the first one's name and its parameters' prefix."""

    name: str
    prefix: str
    layer: Layer

    def is_finite(self, arrays: Mapping[str, Array]) -> bool:
        """Whether all of its own, of the model's parameters or their gradients by name, are finite."""
        return all(np.isfinite(array).all() for name, array in arrays.items() if name.startswith(self.prefix))


def all_places(stack: Stack, path: str = "", prefix: str = "") -> Iterator[Place]:
    """List the layers in the order of the computation, those inside a residual connection before it."""
    for step in stack.steps:
        first = step.conv if isinstance(step, ConvReLUPool | WinogradReLUPool) else step
        index = next(index for index, layer in enumerate(stack.layers) if layer is first)
        own, its_prefix = f"{path}layers.{index}", f"{prefix}{index}."
        if isinstance(step, Residual):
            yield from all_places(step.stack, f"{own}.", its_prefix)
        yield Place(f"{own} ({type(first).__name__})", its_prefix, step)


@contextmanager
def watching(
    places: Sequence[Place], method: Literal["forward", "backward"], look: Callable[[Place, Any], None]
) -> Iterator[None]:
    """Let `look` see what the layers' method returns within the block, as it comes.

    The method is put before the class's own, in the layer itself: so a residual connection's are seen, too.
    """
    own = [vars(place.layer).get(method) for place in places]
    for place in places:
        setattr(place.layer, method, _watched(place, getattr(place.layer, method), look))
    try:
        yield
    finally:
        for place, before in zip(places, own, strict=True):
            if before is None:
                delattr(place.layer, method)
            else:
                setattr(place.layer, method, before)


def _watched(place: Place, function: Callable[..., Any], look: Callable[[Place, Any], None]) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        returned = function(*args, **kwargs)
        look(place, returned)
        return returned

    return watched


def name_of(loss: Loss) -> str:
    """Name a loss as a layer is named."""
    return f"loss ({type(loss).__name__})"
