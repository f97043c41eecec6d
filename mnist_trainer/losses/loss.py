"""The base of all losses."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeGuard

import numpy as np

from mnist_trainer.errors import ConfigError
from mnist_trainer.hyperparameters import check, suggestion
from mnist_trainer.kernels.arrays import Array, Indices
from mnist_trainer.slips import check_method, checked_array, checked_number

EXPECTS = ("logits", "probabilities")


@dataclass(eq=False)
class Loss(ABC):
    """A mean loss of a batch of predictions (N, C), and its gradients; hyperparameters are the dataclass's fields.

    Targets are class indices (N,), or an array (N, C) of which rows may be soft and need not sum to 1. `forward`
    comes first; the gradients are of that batch.
    """

    expects: ClassVar[Literal["logits", "probabilities"]] = "logits"
    exact: ClassVar[bool] = True
    samplewise: ClassVar[bool] = False
    """Whether the loss is a mean of the samples' own losses, with a right gradient: then processes may have a part of
    the batch each. A loss that doesn't say so itself is computed by one process."""

    clamped_rows: int = field(default=0, init=False, repr=False)
    """In how many rows of the last batch the loss was capped, for want of a probability above the floor."""

    def __init_subclass__(cls) -> None:
        """Let every class say for itself whether it is samplewise: one that is derived may do otherwise.

        Raises `ConfigError` for a class that can't be a loss.
        """
        cls.samplewise = vars(cls).get("samplewise", False)
        if cls.expects not in EXPECTS:
            raise ConfigError(
                f"{cls.__name__}: expects={cls.expects!r} is unknown{suggestion(str(cls.expects), EXPECTS)}"
            )
        check_method(cls, "forward", "predictions", "targets")
        check_method(cls, "backward", "upstream")

    def __post_init__(self) -> None:
        """Check the hyperparameters' ranges; raises `ConfigError`."""
        check(self)

    @abstractmethod
    def forward(self, predictions: Array, targets: Array | Indices) -> float:
        """Return the mean loss over the batch."""

    @abstractmethod
    def backward(self, upstream: float = 1.0) -> Array:
        """Return upstream · dL/d predictions, of shape (N, C)."""

    def targets_gradient(self, upstream: float = 1.0) -> Array:
        """Return upstream · dL/d targets, of shape (N, C), the targets taken as an array."""
        raise TypeError(f"{type(self).__name__} has no gradient with respect to its targets")


def loss_value(loss: Loss, predictions: Array, targets: Array | Indices) -> float:
    """Call a loss's forward, anybody's; raises `SlipError` unless it returns a number."""
    return checked_number(loss.forward(predictions, targets), f"{type(loss).__name__}.forward")


def loss_gradient(loss: Loss, predictions: Array, upstream: float = 1.0) -> Array:
    """Call its backward; raises `SlipError` unless it returns an array of the predictions' shape."""
    return checked_array(loss.backward(upstream), predictions.shape, f"{type(loss).__name__}.backward")


def target_rows(targets: Array | Indices, predictions: Array, smoothing: float = 0.0) -> Array:
    """Return (1 − ε) t + ε/C (N, C) in the predictions' type; class indices are one-hot rows.

    Raises `ValueError`, or NumPy's `IndexError` for an index that is no class, where they don't fit the predictions.
    """
    check_targets(predictions, targets)
    n, classes = predictions.shape
    if are_indices(targets):
        t = np.zeros((n, classes), predictions.dtype, "F")
        t[np.arange(n), targets] = 1
    else:
        t = np.array(targets, predictions.dtype, order="F")
    if smoothing:
        t *= 1 - smoothing
        t += smoothing / classes
    return t


def are_indices(targets: Array | Indices) -> TypeGuard[Indices]:
    """Tell class indices (N,) from an array of targets (N, C)."""
    return targets.ndim == 1


def check_targets(predictions: Array, targets: Array | Indices) -> None:
    """Raise `ValueError` unless targets are class indices (N,) from 0, or an array (N, C), for predictions (N, C)."""
    kinds, shape = ("iu", predictions.shape[:1]) if are_indices(targets) else ("biuf", predictions.shape)
    if are_indices(targets) and targets.size and targets.dtype.kind in kinds and targets.min() < 0:
        raise ValueError(f"targets hold the class index {targets.min()}: must be at least 0")
    if predictions.ndim != 2 or targets.shape != shape or targets.dtype.kind not in kinds:
        raise ValueError(
            f"targets of shape {targets.shape} and dtype {targets.dtype} don't fit predictions of shape "
            f"{predictions.shape}: must be whole numbers (N,) or an array (N, C)"
        )
