"""A foreign function as a layer or as a loss, so that it is checked as these are.

One that is given predictions and targets is a loss; every other one is a layer, of its first array, with the others as
its parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.analysis.gradcheck.examiner import attempt_call
from mnist_trainer.analysis.gradcheck.foreign import ForeignGraph, ForeignPair
from mnist_trainer.analysis.gradcheck.single_precision import INDICES, ROWS, Targets
from mnist_trainer.kernels.arrays import Array, Indices, Shape
from mnist_trainer.layers.layer import Layer
from mnist_trainer.losses.loss import Loss
from mnist_trainer.slips import described


@dataclass(eq=False)
class ForeignLayer(Layer):
    """y = f(x, ...), whose other arrays are parameters that begin as the examples are."""

    function: ForeignPair | ForeignGraph
    examples: Sequence[Array]
    names: Sequence[str]

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Learn the output's shape from the example."""
        with np.errstate(all="ignore"):
            _, *out_shape = np.shape(self.function.forward(*self.examples))
        return tuple(out_shape)

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the shapes of the other arrays."""
        return {name: array.shape for name, array in zip(self.names[1:], self.examples[1:], strict=True)}

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: np.random.Generator) -> None:
        """Begin with the examples."""
        self.parameters, self.gradients = parameters, gradients
        for name, array in zip(self.names[1:], self.examples[1:], strict=True):
            parameters[name][...] = array

    def forward(self, x: Array, *, training: bool) -> Array:
        """Return f(x, ...)."""
        y: Array = self.function.forward(x, *self.parameters.values())
        return y

    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Return dL/dx, and set the other arrays' gradients."""
        dx, *others = self.function.backward(dy)
        for view, gradient in zip(self.gradients.values(), others, strict=True):
            view[...] = np.nan if gradient is None else gradient  # NaN: it isn't set
        return None if dx is None else np.asarray(dx)

    def inputs(self, batch: int, rng: np.random.Generator) -> Array:
        """Draw rows of the example, moved a little, with the signs kept: the function may want them so."""
        rows = np.asarray(self.examples[0], np.float64)[rng.integers(0, len(self.examples[0]), batch)]
        return np.asarray(rows * (1 + 0.1 * rng.random(rows.shape)))


@dataclass(eq=False)
class ForeignLoss(Loss):
    """L = f(predictions, targets), of targets as the example has them: class indices, or rows."""

    function: ForeignPair | ForeignGraph
    indices: bool

    @property
    def kinds(self) -> list[Targets]:
        """The kind of targets that it is given."""
        return [INDICES if self.indices else ROWS]

    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return what the function returns."""
        if self.indices and targets.ndim == 2:
            raise TypeError("it is given class indices only")
        if not self.indices:
            rows = np.eye(predictions.shape[1])[targets] if targets.ndim == 1 else targets
            targets = rows.astype(predictions.dtype, copy=False)
        value: float = self.function.forward(predictions, np.asarray(targets))
        return value

    def backward(self, upstream: float = 1.0) -> Array:
        """Return its gradient with respect to the predictions."""
        gradient: Array = self.function.backward(upstream)[0]
        return gradient


class ForeignLossOfBoth(ForeignLoss):
    """One that has a gradient with respect to the targets, too."""

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return its gradient with respect to the targets."""
        gradient: Array = self.function.backward(upstream)[1]
        return gradient


def looks_like_loss(arrays: Sequence[Array]) -> bool:
    """Tell from its arrays whether a function is a loss: predictions (N, C), and class indices (N,) or rows (N, C)."""
    if len(arrays) != 2 or arrays[0].ndim != 2:
        return False
    predictions, targets = arrays
    indices = targets.dtype.kind in "iu" and targets.shape == predictions.shape[:1]
    return indices or (targets.shape == predictions.shape and bool(((targets >= 0) & (targets <= 1)).all()))


def as_loss(function: ForeignPair | ForeignGraph, arrays: Sequence[Array]) -> ForeignLoss:
    """Make a loss; its predictions are probabilities where the example's all lie between 0 and 1."""
    predictions, targets = arrays
    indices = targets.ndim == 1
    has_both = False
    if not indices:
        try:
            with np.errstate(all="ignore"):
                function.forward(np.asarray(predictions, np.float64), np.asarray(targets, np.float64))
                has_both = function.backward(1.0)[1] is not None
        except Exception:  # it will be told when it is checked
            has_both = False
    base = ForeignLossOfBoth if has_both else ForeignLoss
    between = bool(((predictions >= 0) & (predictions <= 1)).all())
    of_this_name = type(function.name, (base,), {"expects": "probabilities" if between else "logits"})
    made: ForeignLoss = of_this_name(function, indices)
    return made


def why_no_layer(function: ForeignPair | ForeignGraph, arrays: Sequence[Array]) -> str | None:
    """Say why a function can't be checked as a layer: it can't run, or returns no rows; None if it can."""
    returned = attempt_call(lambda: [function.forward(*arrays)])
    if isinstance(returned, str):
        return f"can't run: {returned}"
    (y,) = returned
    if isinstance(y, np.ndarray) and y.ndim and len(y) == len(arrays[0]):
        return None
    return (
        f"returned {described(y)}: must be an array of as many rows as its input; or else one number, of predictions "
        "(N, C) and targets"
    )


def as_layer(function: ForeignPair | ForeignGraph, arrays: Sequence[Array]) -> ForeignLayer:
    """Make a layer."""
    enough = len(function.names) >= len(arrays)
    names = function.names if enough else [f"input {index}" for index in range(len(arrays))]
    made: ForeignLayer = type(function.name, (ForeignLayer,), {})(function, arrays, names[: len(arrays)])
    return made
