"""The base of all optimizers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import check
from mnist_trainer.kernels import updates
from mnist_trainer.kernels.arrays import Array, Counts, buffer, empty


@dataclass(eq=False)
class Optimizer(ABC):
    """An update rule of a flat parameter vector; hyperparameters are the dataclass's fields."""

    elementwise: ClassVar[bool] = False
    """Whether each parameter's update depends on its own gradient and state alone, and `step` takes the first entries
    of both vectors, too: then processes may update a section each. All that such an optimizer keeps is in `state`, as
    attributes of its own, of an entry for each parameter or one in all."""

    decayed: int = field(default=0, init=False, repr=False)
    """Weight decay applies to the vector's first `decayed` entries."""

    _scratch: Array = buffer()
    """Of a block's length, for `updates.in_blocks`."""

    def __init_subclass__(cls) -> None:
        """Let every class say for itself whether it is elementwise: one that is derived may do otherwise."""
        cls.elementwise = vars(cls).get("elementwise", False)

    def __post_init__(self) -> None:
        """Check the hyperparameters' ranges; raises `ConfigError`."""
        check(self)

    def build(self, size: int, dtype: DTypeLike, decayed: int | None = None) -> None:
        """Make the state for `size` parameters, of which weight decay applies to the first `decayed` (None: all)."""
        self.decayed = size if decayed is None else decayed
        self._scratch = empty(min(size, updates.block_length(dtype)), dtype)

    def state(self) -> Mapping[str, Array | Counts]:
        """Give the arrays that one step leaves to the next, known after `build`; restored in place by a resume."""
        return {}

    @abstractmethod
    def step(self, parameters: Array, gradients: Array, learning_rate: float) -> None:
        """Update the parameters in place; may overwrite the gradients."""
