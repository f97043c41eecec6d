"""Learning rates over a run: a factor on the optimizer's own rate, by the number of updates done."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from mnist_trainer.hyperparameters import check, hyperparameter


@dataclass(eq=False)
class Schedule(ABC):
    """A factor on the learning rate; `build` tells how long the run is."""

    total_steps: int = field(default=1, init=False, repr=False)
    steps_per_epoch: int = field(default=1, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the hyperparameters' ranges; raises `ConfigError`."""
        check(self)

    def build(self, total_steps: int, steps_per_epoch: int) -> None:
        """Take the length of the run and of an epoch, in updates."""
        self.total_steps, self.steps_per_epoch = max(total_steps, 1), max(steps_per_epoch, 1)

    @abstractmethod
    def factor(self, step: int) -> float:
        """Return the factor for the update that follows `step` updates."""


@dataclass(eq=False)
class Constant(Schedule):
    """1 throughout."""

    def factor(self, step: int) -> float:
        """Return 1."""
        return 1.0


@dataclass(eq=False)
class Step(Schedule):
    """gamma to the power of the number of whole `every`-epoch spans that have passed."""

    every: int = hyperparameter(5, minimum=1)
    gamma: float = hyperparameter(0.5, above=0, maximum=1)

    def factor(self, step: int) -> float:
        """Return gamma^⌊epoch / every⌋."""
        return float(self.gamma ** (step // self.steps_per_epoch // self.every))


@dataclass(eq=False)
class Cosine(Schedule):
    """Up linearly over the first `warmup` of the run, then down by half a cosine to `final`.

    Loshchilov and Hutter (https://arxiv.org/abs/1608.03983), without restarts.
    """

    warmup: float = hyperparameter(0.0, minimum=0, below=1)
    final: float = hyperparameter(0.0, minimum=0, maximum=1)

    def factor(self, step: int) -> float:
        """Return the factor; the first update of a warm-up gets a share above 0."""
        rise = round(self.warmup * self.total_steps)
        if step < rise:
            return (step + 1) / (rise + 1)
        return _cosine(1.0, self.final, (step - rise) / max(self.total_steps - rise, 1))


@dataclass(eq=False)
class OneCycle(Schedule):
    """From `initial` up to 1 over the first `warmup` of the run and down to `final`, both by half a cosine.

    Smith and Topin, "Super-convergence" (https://arxiv.org/abs/1708.07120), in two phases, as PyTorch's OneCycleLR has
    them by default, the momentum held as it is. Of T updates, counted from 0, the peak is at warmup · T, and `final`
    would be that of update T; PyTorch has the peak one update earlier, and its final rate at update T − 1.
    """

    warmup: float = hyperparameter(0.3, minimum=0, below=1)
    initial: float = hyperparameter(0.04, above=0, maximum=1)
    final: float = hyperparameter(0.0, minimum=0, maximum=1)

    def factor(self, step: int) -> float:
        """Return the factor."""
        rise = self.warmup * self.total_steps
        if step < rise:
            return _cosine(self.initial, 1.0, step / rise)
        return _cosine(1.0, self.final, (step - rise) / max(self.total_steps - rise, 1))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
