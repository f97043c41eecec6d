"""The base of all layers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import DTypeLike

from mnist_trainer.hyperparameters import check
from mnist_trainer.kernels.arrays import Array, Shape
from mnist_trainer.slips import check_method

Initializer = Literal["he", "glorot", "lecun"]


def as_it_is(sums: Array) -> Array:
    """Add up what a batch in one part comes to."""
    return sums


@dataclass(frozen=True)
class Part:
    """Which rows of a batch a layer gets in training: all, unless a team has divided it."""

    before: int = 0
    """How many rows of the batch are others', and come first."""
    total: int = 0
    """How many rows the batch has; 0 where the part is all of it."""
    add_up: Callable[[Array], Array] = as_it_is
    """Turns sums over the part's rows, in place, into those over the whole batch's: every part's layer waits for the
    others' here, so all must call it as often, in the same order."""


WHOLE = Part()


@dataclass(eq=False)
class Layer(ABC):
    """A function of a batch and its vector-Jacobian product; hyperparameters are the dataclass's fields.

    The stack that holds a layer calls `build` once, then `bind` once, then `forward` and `backward` in turns. What
    `forward` returns is storage that the layer owns, valid until its next forward; a batch shorter than `max_batch`
    uses leading slices. `backward` may overwrite `dy`.

    A layer of one's own needs `forward` and `backward`, and more only where the defaults don't fit.
    """

    reads_output: ClassVar[bool] = True
    """Whether backward reads what forward returned: if so, the next layer must not overwrite it."""
    keeps_storage: ClassVar[bool] = False
    """Whether forward may return a view of its input's storage."""
    samplewise: ClassVar[bool] = False
    """Whether a sample's output depends on that sample alone, and forward leaves no state: then processes may have a
    part of the batch each (one that draws at random needs `generators`, and to mind its `part`, for that). A layer that
    doesn't say so itself, or that it `adds_up`, keeps its model in one process."""
    adds_up: ClassVar[bool] = False
    """Whether, if it isn't samplewise, all that it takes from a batch's other samples are sums over them, which it lets
    its `part` add up: then processes may have a part each, too, all at the same time. What its state becomes must
    follow from such sums alone, since each has its own."""
    suits: ClassVar[Initializer | None] = None
    """The initializer that suits a layer whose output this one gets; None leaves it to the layers after."""

    overwrites_input: bool = field(default=False, init=False, repr=False)
    """Granted by the stack: forward may write its result into its input."""
    followed_by: Initializer = field(default="lecun", init=False, repr=False)
    """Set by the stack: the initializer that suits the layers after this one."""
    part: Part = field(default=WHOLE, init=False, repr=False)
    """Set by a team: what the next batch in training is of a larger one."""
    parameters: Mapping[str, Array] = field(default_factory=dict, init=False, repr=False)
    gradients: Mapping[str, Array] = field(default_factory=dict, init=False, repr=False)
    """Views, by name, that `bind` has taken."""

    def __init_subclass__(cls) -> None:
        """Let every class say for itself whether it is samplewise, or adds up: one that is derived may do otherwise.

        Raises `ConfigError` for a class that can't be a layer.
        """
        cls.samplewise, cls.adds_up = (vars(cls).get(name, False) for name in ("samplewise", "adds_up"))
        check_method(cls, "forward", "x", training="training")
        check_method(cls, "backward", "dy", need_dx="need_dx")

    def __post_init__(self) -> None:
        """Check the hyperparameters' ranges; raises `ConfigError`."""
        check(self)

    def build(self, in_shape: Shape, max_batch: int, dtype: DTypeLike) -> Shape:
        """Make the buffers for batches of up to `max_batch`; return the shape of the output.

        Shapes are without the batch axis. Raises `ConfigError` where the input doesn't fit.
        """
        del max_batch, dtype
        return in_shape

    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Tell the parameters' names and shapes, known after `build`."""
        return {}

    def decayed(self) -> Set[str]:
        """Tell the names of the parameters that weight decay applies to."""
        return self.parameter_shapes().keys() & {"weights"}

    def state(self) -> Mapping[str, Array]:
        """Give the arrays that training changes without training them (running statistics), known after `build`.

        They are saved and restored with the parameters, in place.
        """
        return {}

    def generators(self) -> Mapping[str, "np.random.Generator"]:
        """Give the random generators that forward draws from, known after `bind`; checkpoints hold their states."""
        return {}

    def operations(self) -> int:
        """Count the multiplications and additions of its own matrix product, known after `build`; 0 for one without.

        For one sample, in one direction: backward has this many for the parameters' gradients, and as many again for
        dL/dx where it is needed. Those of layers inside are not in it.
        """
        return 0

    def bind(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], rng: "np.random.Generator") -> None:
        """Take the views of the parameters and their gradients, and initialise the parameters in place."""
        del rng
        self.parameters, self.gradients = parameters, gradients

    @abstractmethod
    def forward(self, x: Array, *, training: bool) -> Array:
        """Return y = f(x) for a batch x of shape (N, *in_shape)."""

    @abstractmethod
    def backward(self, dy: Array, *, need_dx: bool = True) -> Array | None:
        """Overwrite the parameters' gradients and return dL/dx, given dy = dL/dy; None if `need_dx` is false."""
